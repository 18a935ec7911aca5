// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Parts of a batch, each of which goes in or not
/// @notice A batch goes in as one part where it can. Where one of its rows is refused, nothing of that part stands, and each
///         row becomes a part of its own: one that is refused is left out, and said so. A batch of which nothing goes in is
///         refused by its first error, and so is one with a row that is its sender's own fault, which it could see before
///         it sent the batch: those rules say nothing about what somebody did meanwhile.
/// @dev    Run by a market (see InParts) on its own storage: `address(this)` is the market. Three times the gas of the batch
///         at the most, however many of its rows are refused. Warning: a splitter has no state variables and writes no
///         storage: they would be the market's.
abstract contract BatchSplitter {
    /// @dev A part is the same function of the market, with whoever brings the batch behind its arguments. `head` is the
    ///      arguments before the rows, and the place of the rows
    function _part(bytes memory head, uint256 count, bytes memory rows) internal view returns (bytes memory) {
        return abi.encodePacked(msg.sig, head, count, rows, uint256(uint160(msg.sender)));
    }

    /// @dev Brings a part in; returns the error that refuses it, and nothing where none does
    function _refusalOf(bytes memory part) internal returns (bytes memory reason) {
        bool done;
        // solhint-disable-next-line avoid-low-level-calls
        (done, reason) = address(this).call(part);
        if (done) return "";
        if (reason.length == 0) _refuse(reason); // too little gas is nobody's fault
    }

    /// @dev The same of a part of one row
    function _refusalOfRow(bytes memory part) internal returns (bytes memory reason) {
        reason = _refusalOf(part);
        if (reason.length != 0 && _isOwnFault(bytes4(reason))) _refuse(reason);
    }

    /// @dev Whether an error is the fault of whoever brings the batch
    function _isOwnFault(bytes4 selector) internal pure virtual returns (bool);

    /// @dev Reverts with an error as it came
    function _refuse(bytes memory reason) internal pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
