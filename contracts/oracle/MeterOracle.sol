// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IMeterOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Roles} from "../libraries/Roles.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";

/// @title Net meter readings per delivery period, in packed and versioned batches
/// @notice Every batch of an area and period is its next version; a batch out of turn is refused, so that an oracle that
///         sends again after a crash cannot send twice. Each version stays in the log. Areas have their readings apart: a
///         block of seven may hold participants of two of them, and then each has its own copy of it.
contract MeterOracle is IMeterOracle {
    /// @notice Readings per block (storage word)
    uint256 public constant PER_BLOCK = 7;
    /// @notice Bytes of a block in calldata
    uint256 public constant BLOCK_BYTES = 28;
    /// @notice Stands for no reading: type(int32).min
    uint32 public constant MISSING = 0x80000000;
    int256 private constant MISSING_WH = type(int32).min;
    int256 private constant MAX_WH = int256(Lanes.MAX_WH);
    /// @dev MISSING in each of the seven lanes
    uint256 private constant ALL_MISSING = 0x80000000800000008000000080000000800000008000000080000000;

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    uint256 private immutable _ringSize;

    /// @dev The four highest bits of each of the seven lanes
    uint256 private constant HIGHEST = 0xf0000000f0000000f0000000f0000000f0000000f0000000f0000000;

    /// @dev What stays the same over the blocks of one call, and the 256 seats looked up last
    struct Batch {
        uint256 area;
        uint256 period;
        uint256 base;
        bool settling;
        uint256 seatWord;
        uint256 seatsTaken;
    }

    /// @dev ring slot | area: 32 | block: 32 => period: 32 | 7 × int32, lowest lane first
    mapping(uint256 key => uint256) private _blocks;
    /// @dev ring slot | area => period: 32 | version: 32
    mapping(uint256 key => uint256) private _versions;

    /// @notice A batch: blocks of seven int32 readings in Wh (+ injects), the first for participant 7 × firstBlock
    event ReadingsSubmitted(
        uint256 indexed area, uint256 indexed period, uint256 indexed version, uint256 firstBlock, bytes readings
    );

    /// @notice Versions of an area and period follow each other; `expected` is the next
    error VersionOutOfTurn(uint256 area, uint256 period, uint256 version, uint256 expected);
    /// @notice The delivery period is not over
    error NotDelivered(uint256 period, uint256 currentPeriod);
    /// @notice A batch is one block or more, and whole blocks
    error BadLength(uint256 bytesGiven, uint256 blockBytes);
    /// @notice The participant is of another area, or there is none of this number
    error UnknownMeter(uint256 area, uint256 participant);
    /// @notice No reading is beyond this, either way
    error ReadingAbsurd(uint256 participant, int256 wh, uint256 limitWh);
    /// @notice A reading that groups may have been settled on changes only by a correction of the settlement
    error SettlementBegun(uint256 area, uint256 period, uint256 participant, int256 settledWh, int256 newWh);

    constructor(IParticipantRegistry registry_, IMarketClock clock_, IClearingHouse clearingHouse_) {
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        _ringSize = clearingHouse_.ringSize();
    }

    /// @notice Brings in the next version of an area's readings of a period; lanes that are MISSING change nothing
    function submit(uint256 area, uint32 period, uint256 version, uint256 firstBlock, bytes calldata readings) external {
        registry.requireRole(Roles.inArea(Roles.METER_ORACLE, area), msg.sender);
        if (!clock.delivered(period)) revert NotDelivered(period, clock.currentPeriod());
        uint256 key = AreaKey.inSlot(period % _ringSize, area);
        uint256 expected = _versionAt(key, period) + 1;
        if (version != expected) revert VersionOutOfTurn(area, period, version, expected);
        if (readings.length == 0 || readings.length % BLOCK_BYTES != 0) {
            revert BadLength(readings.length, BLOCK_BYTES);
        }
        // A ring key has 32 bits for a block.
        if (firstBlock > type(uint32).max - readings.length) revert UnknownMeter(area, firstBlock);
        bool settling = clearingHouse.activate(area, period);
        _storeAll(
            Batch(area, period, _key(area, period, 0), settling, type(uint256).max, 0), firstBlock, readings
        );
        _versions[key] = (uint256(period) << 32) | version;
        emit ReadingsSubmitted(area, period, version, firstBlock, readings);
    }

    function _storeAll(Batch memory batch, uint256 block_, bytes calldata readings) private {
        unchecked {
            for (uint256 offset; offset < readings.length; offset += BLOCK_BYTES) {
                _store(batch, block_++, uint224(bytes28(readings[offset:])));
            }
        }
    }

    function _store(Batch memory batch, uint256 block_, uint256 word) private {
        uint256 key = batch.base | block_;
        uint256 period = batch.period;
        uint256 present = _blocks[key];
        unchecked {
            uint256 participant = block_ * PER_BLOCK;
            if (Lanes.tag(present) == period) {
                word = _merge(batch, participant, word, present);
            } else if (!_plain(batch, participant, word)) {
                word = _merge(batch, participant, word, ALL_MISSING);
            }
        }
        _blocks[key] = Lanes.fresh(period) | word;
    }

    /// @dev Whether a block needs no closer look: all of its seats are taken in the area, and each reading is one of 28 bits with
    ///      sign. That leaves out the missing, the absurd, and with them a few that `_merge` accepts.
    function _plain(Batch memory batch, uint256 participant, uint256 word) private view returns (bool) {
        unchecked {
            uint256 seat = participant & 0xff;
            if (seat > 256 - PER_BLOCK) return false; // seats in two words
            return (_seatsTaken(batch, participant) >> seat) & 0x7f == 0x7f // of seven
                && (word ^ (word << 1)) & HIGHEST == 0; // sign and the four bits below it agree
        }
    }

    /// @dev The present readings with those of a batch in their place
    function _merge(Batch memory batch, uint256 participant, uint256 word, uint256 present)
        private
        view
        returns (uint256 merged)
    {
        unchecked {
            for (uint256 shift; shift < 224; shift += 32) {
                uint256 lane = uint32(word >> shift);
                uint256 former = uint32(present >> shift);
                if (lane == MISSING) {
                    lane = former;
                } else {
                    _requirePlausible(batch, participant, lane, former);
                }
                merged |= lane << shift;
                ++participant;
            }
        }
    }

    function _seatsTaken(Batch memory batch, uint256 participant) private view returns (uint256) {
        if (participant >> 8 != batch.seatWord) {
            batch.seatWord = participant >> 8;
            batch.seatsTaken = registry.seatsTaken(batch.area, batch.seatWord);
        }
        return batch.seatsTaken;
    }

    function _requirePlausible(Batch memory batch, uint256 participant, uint256 lane, uint256 former) private view {
        if ((_seatsTaken(batch, participant) >> (participant & 0xff)) & 1 == 0) {
            revert UnknownMeter(batch.area, participant); // nobody's, or of another area
        }
        int256 wh = int32(uint32(lane));
        if (wh > MAX_WH || wh < -MAX_WH) revert ReadingAbsurd(participant, wh, Lanes.MAX_WH);
        if (batch.settling && former != MISSING && former != lane) {
            revert SettlementBegun(batch.area, batch.period, participant, int32(uint32(former)), wh);
        }
    }

    /// @notice How many batches of the area and period came in
    function versionOf(uint256 area, uint256 period) external view returns (uint256) {
        return _versionAt(AreaKey.inSlot(period % _ringSize, area), period);
    }

    function _versionAt(uint256 key, uint256 period) private view returns (uint256) {
        uint256 word = _versions[key];
        return word >> 32 == period ? uint32(word) : 0;
    }

    /// @notice Net reading of a participant of an area in Wh; type(int32).min = missing
    function readingOf(uint256 area, uint256 period, uint256 participant) public view returns (int256) {
        uint256 word = _blocks[_key(area, period, participant / PER_BLOCK)];
        if (Lanes.tag(word) != period) return MISSING_WH;
        return int32(uint32(word >> ((participant % PER_BLOCK) * 32)));
    }

    /// @inheritdoc IMeterOracle
    function readingsOfGroups(uint256 area, uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory readings)
    {
        readings = new uint256[](groups.length);
        uint256 base = _key(area, period, 0);
        uint256 loaded = type(uint256).max;
        uint256 word;
        unchecked {
            for (uint256 i; i < groups.length; ++i) {
                uint256 participant = groups[i] * Lanes.PER_GROUP;
                uint256 block_ = participant / PER_BLOCK;
                uint256 lane = participant % PER_BLOCK;
                if (block_ != loaded) word = _blockOf(base, period, block_);
                uint256 four = word >> (lane * 32);
                loaded = block_;
                if (lane > PER_BLOCK - Lanes.PER_GROUP) {
                    loaded = block_ + 1;
                    word = _blockOf(base, period, loaded);
                    four |= word << ((PER_BLOCK - lane) * 32);
                }
                readings[i] = SignedLanes.fromInt32s(four);
            }
        }
    }

    /// @dev Seven readings without tag
    function _blockOf(uint256 base, uint256 period, uint256 block_) private view returns (uint256) {
        uint256 word = _blocks[base | block_];
        return Lanes.tag(word) == period ? uint224(word) : ALL_MISSING;
    }

    function _key(uint256 area, uint256 period, uint256 block_) private view returns (uint256) {
        return AreaKey.numbered(period % _ringSize, area, block_);
    }
}
