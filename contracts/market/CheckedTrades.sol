// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarket, ITradeMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IGridOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Roles} from "../libraries/Roles.sol";
import {TradeWord} from "../libraries/TradeWord.sol";
import {RingTime} from "../registry/RingTime.sol";

/// @title Trades that wait for the DSO's verdict, in groups, before they are booked
/// @notice What backs a trade stays reserved until its verdict: an accepted trade is booked, a rejected one alone gives
///         its reservations back; what its parties traded onward stands and becomes imbalance. Groups are judged in
///         order. One that finds no verdict in time is rejected whole, by anyone, without any oracle.
/// @dev    Trades are not stored: a group's root is a running hash of them, and whoever brings a verdict brings them
///         back from the log.
abstract contract CheckedTrades is ITradeMarket {
    /// @dev One slot. `root` and `count` are of the open group, whose number is `groups`
    struct Ledger {
        uint32 period;
        uint24 groups;
        uint24 judged;
        uint16 count;
        bytes20 root;
    }

    /// @dev One slot: a group that takes no more trades
    struct SealedGroup {
        uint32 period;
        uint16 count;
        uint40 sealedAt;
        bytes20 root;
    }

    /// @notice Where a market of checked trades is anchored
    struct Anchors {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IGridOracle gridOracle;
        uint256 verdictWindowSeconds;
    }

    /// @dev The most trades one verdict holds: it rejects by one bit each
    uint256 private constant MAX_GROUP = 256;

    /// @notice Who may trade
    IParticipantRegistry public immutable registry;
    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice Where trades are backed and booked
    IClearingHouse public immutable clearingHouse;
    /// @notice Whose verdict decides
    IGridOracle public immutable gridOracle;
    /// @notice Seconds of block time a sealed group waits for a verdict
    uint256 public immutable verdictWindowSeconds;
    /// @notice Trades after which a group is sealed
    uint256 public immutable groupSize;

    uint256 internal immutable _ringSize;

    mapping(uint256 key => Ledger) internal _ledgers;
    mapping(uint256 key => SealedGroup) private _sealed;

    /// @notice A group of trades waits for the DSO's verdict
    event GroupSealed(uint256 indexed area, uint256 indexed period, uint256 indexed group, uint256 count, bytes20 root);
    /// @notice A group found its verdict, or (expired) none in time; `rejected` has one bit a trade
    event GroupDecided(
        uint256 indexed area, uint256 indexed period, uint256 indexed group, uint256 rejected, bool expired
    );

    /// @notice Trades are judged in groups of one up to `maximum`
    error BadGroupSize(uint256 groupSize, uint256 maximum);
    /// @notice Only the grid oracle brings verdicts
    error OnlyGridOracle(address caller);
    /// @notice No trade of this area and period waits in the open group
    error NothingToSeal(uint256 area, uint256 period);
    /// @notice Groups are judged in order: `judged` are done, `sealedGroups` take no more trades
    error NotNextGroup(uint256 area, uint256 period, uint256 group, uint256 judged, uint256 sealedGroups);
    /// @notice These are not the trades of the group: their running hash is another one
    error OtherTrades(uint256 area, uint256 period, uint256 group, bytes20 root, bytes20 givenRoot);
    /// @notice A trade is rejected that the group does not have; one bit a trade
    error RejectedBeyondGroup(uint256 rejected, uint256 count);
    /// @notice The DSO still has time for its verdict, until this unix second of block time
    error VerdictAwaited(uint256 area, uint256 period, uint256 deadline);

    constructor(Anchors memory anchors, uint256 groupSize_) {
        if (groupSize_ == 0 || groupSize_ > MAX_GROUP) revert BadGroupSize(groupSize_, MAX_GROUP);
        registry = anchors.registry;
        clock = anchors.clock;
        clearingHouse = anchors.clearingHouse;
        gridOracle = anchors.gridOracle;
        verdictWindowSeconds = anchors.verdictWindowSeconds;
        groupSize = groupSize_;
        _ringSize = anchors.clearingHouse.ringSize();
        RingTime.requireFits(clock, _ringSize, verdictWindowSeconds);
    }

    // --- trades come in ------------------------------------------------------------------------

    /// @dev The first action in a period takes its ring slot, which refuses an area that is not in it
    function _enter(uint256 area, uint256 period) internal returns (Ledger memory ledger) {
        ledger = _ledgers[_key(area, period)];
        if (ledger.period == period) return ledger;
        clearingHouse.activate(area, period);
        return Ledger(uint32(period), 0, 0, 0, bytes20(0));
    }

    /// @dev Adds a trade to the open group; the caller stores the ledger
    function _record(Ledger memory ledger, uint256 area, uint256 trade) internal {
        unchecked {
            ledger.root = _extend(ledger.root, trade);
            ledger.count += 1;
        }
        if (ledger.count == groupSize) _seal(ledger, area);
    }

    /// @notice Seals the open group before it is full: the grid oracle at any time, anyone after gate closure
    function sealGroup(uint256 area, uint32 period) external {
        if (!_gateClosed(period)) registry.requireRole(Roles.inArea(Roles.GRID_ORACLE, area), msg.sender);
        Ledger memory ledger = _ledgerOf(area, period);
        if (ledger.count == 0) revert NothingToSeal(area, period);
        _seal(ledger, area);
        _ledgers[_key(area, period)] = ledger;
    }

    function _seal(Ledger memory ledger, uint256 area) internal {
        uint256 group = ledger.groups;
        _sealed[_groupKey(area, ledger.period, group)] =
            SealedGroup(ledger.period, ledger.count, uint40(block.timestamp), ledger.root);
        emit GroupSealed(area, ledger.period, group, ledger.count, ledger.root);
        ledger.groups += 1;
        ledger.count = 0;
        ledger.root = bytes20(0);
    }

    // --- verdicts ------------------------------------------------------------------------------

    /// @inheritdoc ITradeMarket
    function applyVerdict(
        uint256 area,
        uint32 period,
        uint256 group,
        uint256[] calldata trades,
        uint256 rejected
    ) external {
        if (msg.sender != address(gridOracle)) revert OnlyGridOracle(msg.sender);
        _next(area, period, group, trades);
        if (rejected >> trades.length != 0 && trades.length < MAX_GROUP) {
            revert RejectedBeyondGroup(rejected, trades.length);
        }
        _decide(area, period, group, trades, rejected, false);
    }

    /// @notice Rejects a sealed group whose verdict did not come in time: within its window, or before delivery began, after
    ///         which none comes any more. Anyone may, after gate closure, so that nobody takes a trade back while others
    ///         still trade
    /// @param trades Every trade of the group in order (see TradeWord)
    function expire(uint256 area, uint32 period, uint256 group, uint256[] calldata trades) external {
        SealedGroup memory due = _next(area, period, group, trades);
        uint256 deadline = due.sealedAt + verdictWindowSeconds;
        if (clock.currentPeriod() < period && (block.timestamp <= deadline || !_gateClosed(period))) {
            revert VerdictAwaited(area, period, deadline);
        }
        _decide(area, period, group, trades, type(uint256).max, true);
    }

    /// @dev Moves on to the next group to judge, after the checks that bind the trades to it
    function _next(uint256 area, uint256 period, uint256 group, uint256[] calldata trades)
        private
        returns (SealedGroup memory due)
    {
        Ledger memory ledger = _ledgerOf(area, period);
        if (group != ledger.judged || group >= ledger.groups) {
            revert NotNextGroup(area, period, group, ledger.judged, ledger.groups);
        }
        due = _sealed[_groupKey(area, period, group)];
        bytes20 root;
        for (uint256 i; i < trades.length; ++i) {
            root = _extend(root, trades[i]);
        }
        if (root != due.root) revert OtherTrades(area, period, group, due.root, root);
        ledger.judged += 1;
        _ledgers[_key(area, period)] = ledger;
    }

    function _decide(
        uint256 area,
        uint256 period,
        uint256 group,
        uint256[] calldata trades,
        uint256 rejected,
        bool expired
    ) private {
        _apply(area, period, group, trades, rejected);
        emit GroupDecided(area, period, group, expired ? _ones(trades.length) : rejected, expired);
    }

    /// @dev Books the accepted trades and gives back what backed the rejected ones: what a verdict comes to, unless a
    ///      market has it otherwise
    function _apply(uint256 area, uint256 period, uint256, uint256[] calldata trades, uint256 rejected)
        internal
        virtual
    {
        uint256 refused;
        for (uint256 i; i < trades.length; ++i) {
            refused += (rejected >> i) & 1;
        }
        if (refused != trades.length) _book(area, period, trades, rejected, trades.length - refused);
        if (refused != 0) _refund(area, period, trades, rejected, refused);
    }

    /// @dev The clearing house works through a group as often as it is named: seller and buyer of each trade by turns
    function _book(uint256 area, uint256 period, uint256[] calldata trades, uint256 rejected, uint256 accepted)
        private
    {
        uint256[] memory groups = new uint256[](2 * accepted);
        uint256[] memory fills = new uint256[](2 * accepted);
        uint256[] memory payments = new uint256[](2 * accepted);
        uint256 next;
        for (uint256 i; i < trades.length; ++i) {
            if ((rejected >> i) & 1 != 0) continue;
            uint256 trade = trades[i];
            int256 payment = int256(TradeWord.paymentMicroEur(trade));
            for (uint256 side; side < 2; ++side) {
                uint256 who = side == 0 ? TradeWord.seller(trade) : TradeWord.buyer(trade);
                groups[next] = Lanes.groupOf(who);
                fills[next] = _energyOf(trade, side) << (Lanes.laneOf(who) * 56);
                payments[next] = Lanes.setInt64(0, Lanes.laneOf(who), side == 0 ? payment : -payment);
                ++next;
            }
        }
        clearingHouse.book(area, period, groups, fills, payments);
    }

    function _refund(uint256 area, uint256 period, uint256[] calldata trades, uint256 rejected, uint256 refused)
        private
    {
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](2 * refused);
        uint256 next;
        for (uint256 i; i < trades.length; ++i) {
            if ((rejected >> i) & 1 == 0) continue;
            for (uint256 side; side < 2; ++side) {
                uint256 who = side == 0 ? TradeWord.seller(trades[i]) : TradeWord.buyer(trades[i]);
                exchanges[next++] = _exchange(who, _energyOf(trades[i], side), 0);
            }
        }
        _exchangeAll(area, period, exchanges);
    }

    /// @dev Exchanges reservations; in one place for what the call takes of a contract's size
    function _exchangeAll(uint256 area, uint256 period, IClearingHouse.Exchange[] memory exchanges)
        internal
        returns (uint256[] memory profiles)
    {
        return clearingHouse.reserve(area, period, _agent(), exchanges);
    }

    /// @dev The account that acts for others in this call; zero where everybody acts for itself
    function _agent() internal view virtual returns (address) {
        return address(0);
    }

    /// @dev Exchanges the reservation of one participant
    function _reserve(uint256 area, uint256 period, uint256 participant, uint256 released, uint256 claimed) internal {
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](1);
        exchanges[0] = _exchange(participant, released, claimed);
        _exchangeAll(area, period, exchanges);
    }

    /// @dev A trade as energy lane of its seller (side 0) or its buyer
    function _energyOf(uint256 trade, uint256 side) private pure returns (uint256) {
        return side == 0 ? Lanes.energy(TradeWord.wh(trade), 0) : Lanes.energy(0, TradeWord.wh(trade));
    }

    /// @dev One participant's energy lanes: what is given back, and what is claimed in its place
    function _exchange(uint256 participant, uint256 released, uint256 claimed)
        internal
        pure
        returns (IClearingHouse.Exchange memory)
    {
        uint256 shift = Lanes.laneOf(participant) * 56;
        return IClearingHouse.Exchange(Lanes.groupOf(participant), released << shift, claimed << shift);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IMarket
    function booked(uint256 area, uint256 period) public view virtual returns (bool) {
        Ledger memory ledger = _ledgerOf(area, period);
        return _gateClosed(period) && ledger.count == 0 && ledger.judged == ledger.groups;
    }

    /// @notice How far the trades of an area and period are: groups sealed, groups judged, trades in the open group
    function ledgerOf(uint256 area, uint256 period) external view returns (Ledger memory) {
        return _ledgerOf(area, period);
    }

    /// @notice A sealed group; all zero when there is none of that number
    function sealedGroupOf(uint256 area, uint256 period, uint256 group)
        external
        view
        returns (SealedGroup memory found)
    {
        found = _sealed[_groupKey(area, period, group)];
        if (found.period != period) return SealedGroup(0, 0, 0, bytes20(0));
    }

    function _ledgerOf(uint256 area, uint256 period) internal view returns (Ledger memory ledger) {
        ledger = _ledgers[_key(area, period)];
        if (ledger.period != period) ledger = Ledger(uint32(period), 0, 0, 0, bytes20(0));
    }

    function _gateClosed(uint256 period) internal view returns (bool) {
        return clock.gateClosed(period);
    }

    function _extend(bytes20 root, uint256 trade) private pure returns (bytes20) {
        return bytes20(Hashes.efficientKeccak256(root, bytes32(trade)));
    }

    function _ones(uint256 count) private pure returns (uint256) {
        return count == MAX_GROUP ? type(uint256).max : (1 << count) - 1;
    }

    function _key(uint256 area, uint256 period) internal view returns (uint256) {
        return AreaKey.inSlot(period % _ringSize, area);
    }

    function _groupKey(uint256 area, uint256 period, uint256 group) internal view returns (uint256) {
        return ((period % _ringSize) << 64) | (area << 32) | group;
    }
}
