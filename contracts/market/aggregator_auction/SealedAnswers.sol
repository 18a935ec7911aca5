// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {HouseAccounts} from "../../libraries/HouseAccounts.sol";
import {Profile} from "../../libraries/Profile.sol";
import {AuctionBoard} from "./AuctionBoard.sol";

/// @title Answers that nobody sees while others still answer
/// @notice A bonded commitment comes first, and is revealed in the last seconds before gate closure; who does not reveal
///         loses the bond to the aggregator.
abstract contract SealedAnswers is AuctionBoard {
    /// @dev One slot: what a sealed answer is, and who gets its bond when it is not revealed
    struct Commitment {
        bytes28 answer;
        uint32 aggregator;
    }

    /// @dev Who committed to what, until it is revealed or forfeited; kept when the auction's slot is used again
    mapping(bytes32 key => Commitment) private _commitments;

    /// @notice A participant answers under seal, with a bond
    event AnswerCommitted(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, bytes28 commitment
    );
    /// @notice A participant reveals its answer, with the salt of its commitment; its bond goes back
    event AnswerRevealed(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 participant,
        uint256 tick,
        uint256 wh,
        bytes32 salt
    );
    /// @notice Who revealed could not answer any more by what others had decided: its bond goes back
    event BondReturned(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, uint256 amountMicroEur
    );
    /// @notice A sealed answer was never revealed: its bond goes to the aggregator
    event BondForfeited(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, uint256 amountMicroEur
    );

    /// @notice Commitments are taken until `from`; unix seconds of market time
    error RevealHasBegun(uint256 period, uint256 from, uint256 timestamp);
    /// @notice Answers are revealed from `from` on; unix seconds of market time
    error RevealNotBegun(uint256 period, uint256 from, uint256 timestamp);
    /// @notice The participant committed to an answer already, and it stands
    error CommittedBefore(uint256 participant, uint256 auction);
    /// @notice What is revealed is not what was committed to, or nothing was
    error NotCommitted(uint256 participant, uint256 auction, bytes28 committed, bytes28 given);

    /// @notice Commits the caller to an answer it will reveal, and sets its bond aside
    /// @param commitment See `commitmentTo`
    function commit(uint256 area, uint32 period, uint256 number, bytes28 commitment) external {
        (uint256 from, uint256 time) = _revealing(period);
        if (time >= from) revert RevealHasBegun(period, from, time);
        Auction memory auction = _auctionOf(area, period, number);
        if (!auction.isSealed) revert UnderSeal(number, false);
        (uint256 participant,) = _caller();
        bytes32 key = _commitmentKey(area, period, number, participant);
        if (_commitments[key].aggregator != 0) revert CommittedBefore(participant, number);
        _commitments[key] = Commitment(commitment, auction.aggregator);
        _move(participant, HouseAccounts.MARGIN);
        emit AnswerCommitted(area, period, number, participant, commitment);
    }

    /// @notice Reveals the answer the caller committed to; its bond goes back. Who is suspended by then, or whose market was
    ///         taken out of service, cannot answer any more and gets its bond back all the same: what others decided costs
    ///         nobody its bond
    function reveal(uint256 area, uint32 period, uint256 number, uint256 tick, uint256 wh, bytes32 salt) external {
        (uint256 from, uint256 time) = _revealing(period);
        if (time < from) revert RevealNotBegun(period, from, time);
        (uint256 participant, uint256 profile) = _caller();
        _takeCommitment(area, period, number, participant, commitmentTo(participant, tick, wh, salt));
        _move(HouseAccounts.MARGIN, participant);
        if (Profile.heldBack(profile) || !clearingHouse.isMarket(address(this))) {
            emit BondReturned(area, period, number, participant, bondMicroEur);
            return;
        }
        _requireArea(participant, profile, area);
        Auction memory auction = _auctionOf(area, period, number);
        _enterAnswers(area, auction, number, _wordOf(auction, participant, tick, wh));
        emit AnswerRevealed(area, period, number, participant, tick, wh, salt);
    }

    /// @notice After gate closure gives the bond of an answer that was never revealed to the aggregator; anyone may
    function forfeit(uint256 area, uint32 period, uint256 number, uint256 participant) external {
        if (!_gateClosed(period)) revert GateStillOpen(period);
        bytes32 key = _commitmentKey(area, period, number, participant);
        uint256 aggregator = _takeCommitment(area, period, number, participant, _commitments[key].answer);
        _move(HouseAccounts.MARGIN, aggregator);
        emit BondForfeited(area, period, number, participant, bondMicroEur);
    }

    function _takeCommitment(uint256 area, uint256 period, uint256 number, uint256 participant, bytes28 given)
        private
        returns (uint256 aggregator)
    {
        bytes32 key = _commitmentKey(area, period, number, participant);
        Commitment memory committed = _commitments[key];
        if (committed.aggregator == 0 || committed.answer != given) {
            revert NotCommitted(participant, number, committed.answer, given);
        }
        delete _commitments[key];
        return committed.aggregator;
    }

    function _move(uint256 from, uint256 to) private {
        if (bondMicroEur != 0) clearingHouse.transfer(from, to, bondMicroEur);
    }

    /// @notice What a participant commits to: its number, tick and Wh under a random salt
    function commitmentTo(uint256 participant, uint256 tick, uint256 wh, bytes32 salt) public pure returns (bytes28) {
        return bytes28(keccak256(abi.encode(participant, tick, wh, salt)));
    }

    /// @dev From when answers of an open period are revealed, and market time
    function _revealing(uint256 period) private view returns (uint256 from, uint256 time) {
        _requireOpen(period);
        return (clock.gateClosure(period) - revealSeconds, clock.timestamp());
    }

    function _commitmentKey(uint256 area, uint256 period, uint256 number, uint256 participant)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(area, period, number, participant));
    }
}
