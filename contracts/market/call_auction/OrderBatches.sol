// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {OrderLane} from "../../libraries/OrderLane.sol";
import {Profile} from "../../libraries/Profile.sol";
import {CallAuctionBook} from "./CallAuctionBook.sol";

/// @title Orders that a gateway brings in for many
/// @notice With their mandate, or signed by them. An order that may not go in (its participant has no money left, gave its
///         mandate to another, was suspended, ordered anew) is left out, and said so: nobody keeps the others of a batch
///         out of the market. A batch of which nothing goes in is refused.
/// @dev    A batch goes in as a whole by a call of this contract to itself. What that refuses is halved and tried again, down
///         to the single order: some two times the gas of the batch for one that is refused, none for a batch without.
abstract contract OrderBatches is CallAuctionBook {
    /// @notice One order as a participant signs it; `lane` holds energy, tick, side and sequence
    struct SignedOrder {
        uint32 participant;
        uint56 lane;
        uint40 expiry;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice Wh are net of the connection; `expiry` is unix seconds of block time
    bytes32 public constant ORDER_TYPEHASH = keccak256(
        "Order(uint8 area,uint32 period,uint32 participant,uint8 side,uint16 tick,uint32 wh,uint8 sequence,address gateway,uint40 expiry)"
    );

    /// @notice The last sequence number of a period that a gateway may use: eight more are the participant's own
    uint256 public constant MAX_GATEWAY_SEQUENCE = 247;

    /// @notice A gateway placed orders: words of a group (32 bits) and four order lanes (56 bits each)
    event OrdersPlaced(
        uint256 indexed area, uint256 indexed period, address indexed gateway, bool isSigned, uint256[] groups
    );
    /// @notice An order of a gateway's batch may not go in and was left out: word of a group (32 bits) and one order lane,
    ///         and the error that refuses it
    event OrderLeftOut(
        uint256 indexed area, uint256 indexed period, address indexed gateway, bool isSigned, uint256 word, bytes reason
    );

    /// @notice Only the market itself calls this, for a part of a batch
    error OnlyItself(address caller);
    /// @notice Sequence numbers above `maximum` are for the participant's own orders
    error SequenceReserved(uint256 participant, uint256 sequence, uint256 maximum);

    // --- by mandate ----------------------------------------------------------------------------

    /// @notice Places orders of participants who gave the calling gateway their mandate
    /// @param groups Words of a group (top 32 bits) and its four order lanes; an empty lane changes nothing
    function placeBatch(uint256 area, uint32 period, uint256[] calldata groups) external {
        clock.requireOpen(period);
        (uint256 placed, bytes memory reason) = _tryWords(area, period, groups);
        if (placed == 0) _refuse(reason);
    }

    /// @dev Returns how many calls went in, and the reason why the first of the others did not
    function _tryWords(uint256 area, uint32 period, uint256[] memory words)
        private
        returns (uint256 placed, bytes memory reason)
    {
        try this.placePart(msg.sender, area, period, words) {
            return (1, reason);
        } catch (bytes memory why) {
            if (why.length == 0) _refuse(why); // too little gas is nobody's fault
            reason = why;
        }
        (uint256[] memory low, uint256[] memory high) = _halves(words);
        if (high.length == 0) {
            emit OrderLeftOut(area, period, msg.sender, false, words.length == 0 ? 0 : words[0], reason);
            return (0, reason);
        }
        (uint256 lower, bytes memory first) = _tryWords(area, period, low);
        (uint256 upper, bytes memory second) = _tryWords(area, period, high);
        return (lower + upper, first.length != 0 ? first : second);
    }

    /// @dev Half of the words each; of a single word half of its orders each; the upper half is empty for a single order
    function _halves(uint256[] memory words) private pure returns (uint256[] memory low, uint256[] memory high) {
        uint256 count = words.length;
        if (count > 1) {
            low = new uint256[](count / 2);
            high = new uint256[](count - count / 2);
            for (uint256 i; i < count; ++i) {
                if (i < low.length) low[i] = words[i];
                else high[i - low.length] = words[i];
            }
            return (low, high);
        }
        low = words;
        if (count == 0) return (low, high);
        for (uint256 lane = 1; lane < Lanes.PER_GROUP; ++lane) {
            uint256 below = words[0] & ((1 << (lane * 56)) - 1);
            uint256 above = uint224(words[0]) ^ below;
            if (below == 0 || above == 0) continue;
            uint256 group = Lanes.fresh(Lanes.tag(words[0]));
            (low, high) = (new uint256[](1), new uint256[](1));
            (low[0], high[0]) = (group | below, group | above);
            return (low, high);
        }
    }

    /// @notice A part of a gateway's batch, all or nothing: this contract alone calls it
    function placePart(address gateway, uint256 area, uint32 period, uint256[] calldata groups) external {
        _requireItself();
        uint256 number = registry.gatewayNumberOf(gateway);
        uint256[] memory words = groups;
        uint256[] memory profiles = _placeAll(gateway, area, period, words);
        for (uint256 i; i < words.length; ++i) {
            _requireMandates(number, words[i], profiles[i]);
        }
        emit OrdersPlaced(area, period, gateway, false, words);
    }

    function _requireMandates(uint256 gateway, uint256 word, uint256 profiles) private pure {
        unchecked {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                OrderLane order = OrderLane.wrap(Lanes.get56(word, lane));
                if (order.isNone()) continue;
                uint256 mandated = Profile.gateway(Lanes.get64(profiles, lane));
                uint256 sequence = order.sequence();
                if (mandated == gateway && sequence <= MAX_GATEWAY_SEQUENCE) continue;
                uint256 participant = Lanes.participantAt(Lanes.tag(word), lane);
                if (mandated != gateway) revert NoMandate(participant, mandated, gateway);
                revert SequenceReserved(participant, sequence, MAX_GATEWAY_SEQUENCE);
            }
        }
    }

    // --- signed --------------------------------------------------------------------------------

    /// @notice Places orders that participants signed for the calling gateway (EIP-712)
    /// @dev    Orders of one group that follow each other share a word, and so what a group costs: sort them
    function placeSigned(uint256 area, uint32 period, SignedOrder[] calldata orders) external {
        registry.gatewayNumberOf(msg.sender);
        clock.requireOpen(period);
        (uint256 placed, bytes memory reason) = _trySigned(area, period, orders);
        if (placed == 0) _refuse(reason);
    }

    function _trySigned(uint256 area, uint32 period, SignedOrder[] calldata orders)
        private
        returns (uint256 placed, bytes memory reason)
    {
        try this.placeSignedPart(msg.sender, area, period, orders) {
            return (1, reason);
        } catch (bytes memory why) {
            if (why.length == 0) _refuse(why);
            reason = why;
        }
        if (orders.length < 2) {
            uint256 word = orders.length == 0
                ? 0
                : Lanes.set56(
                    Lanes.fresh(Lanes.groupOf(orders[0].participant)),
                    Lanes.laneOf(orders[0].participant),
                    orders[0].lane
                );
            emit OrderLeftOut(area, period, msg.sender, true, word, reason);
            return (0, reason);
        }
        uint256 half = orders.length / 2;
        (uint256 lower, bytes memory first) = _trySigned(area, period, orders[:half]);
        (uint256 upper, bytes memory second) = _trySigned(area, period, orders[half:]);
        return (lower + upper, first.length != 0 ? first : second);
    }

    /// @notice A part of what a gateway brings signed, all or nothing: this contract alone calls it
    function placeSignedPart(address gateway, uint256 area, uint32 period, SignedOrder[] calldata orders) external {
        _requireItself();
        uint256[] memory words = new uint256[](orders.length);
        bytes32 domain = _domainSeparatorV4();
        uint256 count;
        for (uint256 i; i < orders.length; ++i) {
            _requireSignature(gateway, area, period, orders[i], domain);
            count = _append(words, count, orders[i].participant, orders[i].lane);
        }
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(words, count) // only ever shorter than it was made
        }
        _placeAll(address(0), area, period, words);
        emit OrdersPlaced(area, period, gateway, true, words);
    }

    /// @dev Puts an order into the last word when that is of its group and has the lane free, else into a new one
    function _append(uint256[] memory words, uint256 count, uint256 participant, uint256 order)
        private
        pure
        returns (uint256)
    {
        uint256 group = Lanes.groupOf(participant);
        uint256 lane = Lanes.laneOf(participant);
        unchecked {
            if (count != 0) {
                uint256 last = words[count - 1];
                if (Lanes.tag(last) == group && Lanes.get56(last, lane) == 0) {
                    words[count - 1] = Lanes.set56(last, lane, order);
                    return count;
                }
            }
            words[count] = Lanes.set56(Lanes.fresh(group), lane, order);
            return count + 1;
        }
    }

    /// @dev Here and in the check of mandates what `GatewayOrders` does is spelt out: a call a lane costs gas by the batch
    function _requireSignature(
        address gateway,
        uint256 area,
        uint256 period,
        SignedOrder calldata order,
        bytes32 domain
    ) private view {
        if (order.expiry < block.timestamp) {
            revert SignatureExpired(order.participant, order.expiry, block.timestamp);
        }
        OrderLane lane = OrderLane.wrap(order.lane);
        bytes32 terms = keccak256(
            abi.encode(
                ORDER_TYPEHASH,
                area,
                period,
                order.participant,
                lane.side(),
                lane.tick(),
                lane.wh(),
                lane.sequence(),
                gateway,
                order.expiry
            )
        );
        (address signer,,) = ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(domain, terms), order.r, order.vs);
        address account = registry.accountOf(order.participant);
        if (signer == address(0) || signer != account) {
            revert SignerIsNotParticipant(order.participant, signer, account);
        }
    }

    // --- parts ---------------------------------------------------------------------------------

    function _requireItself() private view {
        if (msg.sender != address(this)) revert OnlyItself(msg.sender);
    }

    /// @dev Reverts with an error as it came
    function _refuse(bytes memory reason) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
