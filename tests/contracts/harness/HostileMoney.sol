// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A currency that tells whoever sends or receives it, as ours does not
/// @notice For tests only.
contract TellingCurrency is ERC20 {
    constructor() ERC20("telling", "TELL") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @dev Of who asks: a campaign opens
    function systemHolder(address holder) external view returns (bool) {
        return holder == msg.sender;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        _tell(from);
        _tell(to);
    }

    /// @dev Who does not listen is not told
    function _tell(address who) private {
        // solhint-disable-next-line avoid-low-level-calls
        (bool heard,) = who.call(abi.encodeCall(HostileFunder.told, ()));
        heard;
    }
}

/// @title A funder that calls again whenever money moves
/// @notice For tests only.
contract HostileFunder {
    address private _target;
    bytes private _again;
    /// @notice How often it called again, and how often that went through
    uint256 public tried;
    uint256 public succeeded;

    function run(address target, bytes calldata data) external {
        (bool ok, bytes memory why) = target.call(data);
        // solhint-disable-next-line no-inline-assembly
        assembly {
            if iszero(ok) { revert(add(why, 32), mload(why)) }
        }
    }

    function arm(address target, bytes calldata again) external {
        _target = target;
        _again = again;
    }

    function told() external {
        if (_target == address(0)) return;
        ++tried;
        (bool ok,) = _target.call(_again);
        if (ok) ++succeeded;
    }
}

/// @title A clearing house whose accounts are full, in the telling currency
/// @notice For tests only.
contract FullHouse {
    TellingCurrency private immutable _currency;
    mapping(address module => uint256) public receivedBy;
    mapping(address module => mapping(uint256 participant => uint256)) public takenFrom;

    constructor(TellingCurrency currency) {
        _currency = currency;
    }

    function balanceOf(uint256) external pure returns (int256) {
        return type(int64).max;
    }

    /// @dev As far as it has any
    function collect(uint256 participant, uint256 amount) external returns (uint256) {
        uint256 there = _currency.balanceOf(address(this));
        uint256 paid = amount < there ? amount : there;
        receivedBy[msg.sender] += paid;
        takenFrom[msg.sender][participant] += paid;
        _currency.transfer(msg.sender, paid);
        return 0;
    }
}
