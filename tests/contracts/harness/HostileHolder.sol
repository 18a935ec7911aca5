// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A holder of tokens that refuses them, or calls something while it is being sent some
contract HostileHolder {
    bool public refuses;
    address public target;
    bytes public data;
    bool public succeeded;
    uint256 public asked;

    function arm(bool refuses_, address target_, bytes calldata data_) external {
        (refuses, target, data, succeeded) = (refuses_, target_, data_, false);
    }

    /// @notice Calls something in its own name
    function run(address to, bytes calldata what) external {
        (bool ok, bytes memory answer) = to.call(what);
        // solhint-disable-next-line no-inline-assembly
        if (!ok) assembly { revert(add(answer, 32), mload(answer)) }
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external returns (bytes4) {
        _answer();
        return this.onERC1155Received.selector;
    }

    function onERC1155BatchReceived(address, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        returns (bytes4)
    {
        _answer();
        return this.onERC1155BatchReceived.selector;
    }

    function _answer() private {
        ++asked;
        require(!refuses, "refused");
        address to = target;
        target = address(0); // it answers once
        if (to != address(0)) (succeeded,) = to.call(data);
    }
}
