// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A market whose batches go in without the rows that may not
/// @notice Whoever brings in rows for many, orders or answers, cannot know what each of them did one block before: withdrew
///         its money, took its mandate back, used its connection elsewhere. Such a row alone is left out.
/// @dev    A batch is handed to a splitter, which is deployed with the market and runs on its storage: it calls the same
///         function of the market for the parts of the batch (see BatchSplitter). For a part, which only the market itself
///         can call for, the function goes on.
abstract contract InParts {
    address private immutable _splitter;

    constructor(address splitter) {
        _splitter = splitter;
    }

    /// @dev Ends the call with what becomes of the batch, but for a part of one, and for a single row, whose batch is refused
    ///      with it
    function _bringInParts(uint256 rows) internal {
        if (rows < 2 || msg.sender == address(this)) return;
        address splitter = _splitter;
        // The call ends here: nothing in memory is used any more.
        // solhint-disable-next-line no-inline-assembly
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), splitter, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if done { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }

    /// @dev Who brings the batch: behind the arguments of the call for a part. Warning: only for functions that begin with
    ///      `_bringInParts`: what is behind the arguments counts where the market calls itself, and nowhere else
    function _bringer() internal view returns (address bringer) {
        bringer = msg.sender;
        if (bringer != address(this)) return bringer;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            bringer := calldataload(sub(calldatasize(), 32))
        }
    }
}
