// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reservations} from "../../ledger/Reservations.sol";
import {BatchSplitter} from "../BatchSplitter.sol";
import {PriceGrid} from "../PriceGrid.sol";
import {BookOrder} from "./BookOrder.sol";
import {BookRows} from "./BookRows.sol";

/// @title Batches of orders for the order book, without those that may not go in
/// @notice Its functions are those of `OrderBook`
contract BookSplitter is BatchSplitter, BookRows {
    /// @dev Bytes of a row
    uint256 private constant WORD = 32;
    uint256 private constant SIGNED = 4 * WORD;

    /// @notice Orders under mandate
    function placeBatch(uint256 area, uint32 period, BookOrder[] calldata orders) external {
        uint256 start;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            start := orders.offset
        }
        _split(area, period, msg.data[start:start + orders.length * WORD], WORD);
    }

    /// @notice Orders that participants signed
    function placeSigned(uint256 area, uint32 period, SignedOrder[] calldata orders) external {
        uint256 start;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            start := orders.offset
        }
        _split(area, period, msg.data[start:start + orders.length * SIGNED], SIGNED);
    }

    /// @dev Of rows of `size` bytes, each of which begins with its order
    function _split(uint256 area, uint256 period, bytes calldata rows, uint256 size) private {
        bytes memory head = abi.encode(area, period, 3 * WORD);
        bytes memory first = _refusalOf(_part(head, rows.length / size, rows));
        if (first.length == 0) return;
        bool any;
        for (uint256 next; next < rows.length; next += size) {
            bytes calldata row = rows[next:next + size];
            bytes memory reason = _refusalOfRow(_part(head, 1, row));
            if (reason.length == 0) any = true;
            else emit OrderLeftOut(area, period, BookOrder.wrap(uint256(bytes32(row))), reason);
        }
        if (!any) _refuse(first);
    }

    function _isOwnFault(bytes4 selector) internal pure override returns (bool) {
        return selector == MalformedOrder.selector || selector == EnergyOutOfRange.selector
            || selector == PriceGrid.TickOutOfBand.selector || selector == Reservations.GroupOfOtherArea.selector;
    }
}
