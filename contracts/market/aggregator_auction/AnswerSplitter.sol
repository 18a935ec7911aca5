// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reservations} from "../../ledger/Reservations.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {Agents} from "../../registry/Agents.sol";
import {BatchSplitter} from "../BatchSplitter.sol";
import {PriceGrid} from "../PriceGrid.sol";
import {AuctionBoard} from "./AuctionBoard.sol";

/// @title Batches of answers to an aggregator's auction, without those that may not go in
/// @notice Its function is that of `AuctionBoard`
contract AnswerSplitter is BatchSplitter {
    /// @notice Answers of many; a row is the lane of one
    function answerBatch(uint256 area, uint32 period, uint256 number, uint256[] calldata groups) external {
        bytes memory head = abi.encode(area, period, number, 4 * 32);
        bytes memory first = _refusalOf(_part(head, groups.length, abi.encodePacked(groups)));
        if (first.length == 0) return;
        bool any;
        for (uint256 i; i < Lanes.PER_GROUP * groups.length; ++i) {
            uint256 word = groups[i / Lanes.PER_GROUP];
            uint256 given = Lanes.get56(word, i % Lanes.PER_GROUP);
            if (given == 0) continue;
            word = Lanes.set56(Lanes.fresh(Lanes.tag(word)), i % Lanes.PER_GROUP, given);
            bytes memory reason = _refusalOfRow(_part(head, 1, abi.encode(word)));
            if (reason.length == 0) any = true;
            else emit AuctionBoard.AnswerLeftOut(area, period, number, word, reason);
        }
        if (!any) _refuse(first);
    }

    function _isOwnFault(bytes4 selector) internal pure override returns (bool) {
        return selector == AuctionBoard.MalformedAnswer.selector || selector == AuctionBoard.BeyondLimit.selector
            || selector == AuctionBoard.OwnAuction.selector || selector == AuctionBoard.OtherArea.selector
            || selector == Reservations.GroupOfOtherArea.selector || selector == PriceGrid.TickOutOfBand.selector
            || selector == Agents.NotForAnother.selector;
    }
}
