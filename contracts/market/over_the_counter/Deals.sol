// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {HouseAccounts} from "../../libraries/HouseAccounts.sol";
import {Profile} from "../../libraries/Profile.sol";
import {ProfileLookup} from "../../libraries/ProfileLookup.sol";
import {CheckedTrades} from "../CheckedTrades.sol";

/// @title How two parties come to a deal: quotes and terms stay off the chain, their commitments go on it
/// @notice What others see. Of a request for quote and of a quote: who made it, as a pseudonymous number, and a salted
///         hash. Of a deal: the numbers of its parties, their margins, and a salted hash of the terms. Area, periods,
///         energy and price stay hidden until the first of its periods is performed; then the whole terms are open.
abstract contract Deals is CheckedTrades, EIP712 {
    enum Phase {
        None,
        Concluded,
        Closed
    }

    /// @notice The open part of a deal, as it goes on the chain; `terms` is the hash of its hidden part
    /// @param expiry Unix seconds of block time until which the signatures may be used
    struct Deal {
        uint32 seller;
        uint32 buyer;
        uint64 sellerMarginMicroEur;
        uint64 buyerMarginMicroEur;
        uint40 expiry;
        bytes32 terms;
    }

    /// @notice The hidden part: `wh` in each of `count` periods from the first on, at one price. One period is a spot
    ///         deal, a strip of them a forward
    /// @param salt Random: without it, the hash of the terms could be guessed
    struct Terms {
        uint8 area;
        uint32 firstPeriod;
        uint16 count;
        uint32 wh;
        uint16 priceMicroEurPerWh;
        bytes32 salt;
    }

    /// @notice A compact signature (EIP-2098)
    struct Signature {
        bytes32 r;
        bytes32 vs;
    }

    /// @notice One slot: where a deal stands, and what is left of its margins
    struct State {
        Phase phase;
        uint64 sellerMarginMicroEur;
        uint64 buyerMarginMicroEur;
    }

    /// @notice What the hidden part is hashed by
    bytes32 public constant TERMS_TYPEHASH = keccak256(
        "Terms(uint8 area,uint32 firstPeriod,uint16 count,uint32 wh,uint16 priceMicroEurPerWh,bytes32 salt)"
    );
    /// @notice What both sign: the whole deal. EIP-712 hashes a struct within a struct to one word, which is all that
    ///         the chain needs of the terms to check the signatures
    bytes32 public constant DEAL_TYPEHASH = keccak256(
        "Deal(uint32 seller,uint32 buyer,uint64 sellerMarginMicroEur,uint64 buyerMarginMicroEur,uint40 expiry,Terms terms)Terms(uint8 area,uint32 firstPeriod,uint16 count,uint32 wh,uint16 priceMicroEurPerWh,bytes32 salt)"
    );

    /// @notice How many requests for quote there were; they are numbered from 0
    uint256 public requests;
    mapping(bytes32 deal => State) internal _states;

    /// @notice A participant asks for quotes; what it wants is behind the commitment
    event QuoteRequested(uint256 indexed request, uint256 indexed participant, bytes32 commitment);
    /// @notice A participant answered a request; its quote is behind the commitment
    event Quoted(uint256 indexed request, uint256 indexed participant, bytes32 commitment);
    /// @notice A deal (its EIP-712 hash) was concluded, its margins are set aside
    event DealConcluded(bytes32 indexed deal, uint256 indexed seller, uint256 indexed buyer, Deal concluded);

    /// @notice No request for quotes has this number; `requests` is how many there are
    error UnknownRequest(uint256 request, uint256 requests);
    /// @notice The hash of what is asked or quoted is zero: nothing is committed to
    error EmptyCommitment(uint256 participant);
    /// @notice Nobody trades with itself
    error SelfTrade(uint256 participant);
    /// @notice The signatures were good until `expiry`; unix seconds of block time
    error SignatureExpired(uint256 participant, uint256 expiry, uint256 timestamp);
    /// @notice Somebody else signed than the participant, whose account is `account`
    error SignerIsNotParticipant(uint256 participant, address signer, address account);
    /// @notice The participant is suspended or has left (see Profile)
    error ParticipantNotActive(uint256 participant, uint256 status);
    /// @notice This deal is concluded already; the hash of what both signed
    error ConcludedBefore(bytes32 deal);
    /// @notice No deal of this hash was concluded
    error NoDeal(bytes32 deal);
    /// @notice The deal is closed: nothing of it is performed any more
    error DealClosed(bytes32 deal);

    // --- quotes --------------------------------------------------------------------------------

    /// @notice Asks for quotes, for the record; what is wanted goes to possible partners off the chain
    /// @param commitment Salted hash of what is wanted
    /// @return number Number of the request
    function request(bytes32 commitment) external returns (uint256 number) {
        uint256 participant = registry.numberOf(msg.sender);
        if (commitment == bytes32(0)) revert EmptyCommitment(participant);
        number = requests++;
        emit QuoteRequested(number, participant, commitment);
    }

    /// @notice Answers a request, for the record; the quote itself goes to whoever asked off the chain
    /// @param commitment Salted hash of the quote, such as the hash of the terms offered
    function quote(uint256 number, bytes32 commitment) external {
        uint256 participant = registry.numberOf(msg.sender);
        if (number >= requests) revert UnknownRequest(number, requests);
        if (commitment == bytes32(0)) revert EmptyCommitment(participant);
        emit Quoted(number, participant, commitment);
    }

    // --- deals ---------------------------------------------------------------------------------

    /// @notice Puts a deal that both parties signed (EIP-712) on the record and sets their margins aside; anyone who has
    ///         both signatures may, once
    function conclude(Deal calldata deal, Signature calldata bySeller, Signature calldata byBuyer)
        external
        returns (bytes32 hash)
    {
        hash = hashOf(deal);
        if (deal.seller == deal.buyer) revert SelfTrade(deal.seller);
        if (_states[hash].phase != Phase.None) revert ConcludedBefore(hash);
        _requireParty(hash, deal.seller, deal.expiry, bySeller);
        _requireParty(hash, deal.buyer, deal.expiry, byBuyer);
        _states[hash] = State(Phase.Concluded, deal.sellerMarginMicroEur, deal.buyerMarginMicroEur);
        _move(deal.seller, HouseAccounts.MARGIN, deal.sellerMarginMicroEur);
        _move(deal.buyer, HouseAccounts.MARGIN, deal.buyerMarginMicroEur);
        emit DealConcluded(hash, deal.seller, deal.buyer, deal);
    }

    function _requireParty(bytes32 hash, uint256 participant, uint256 expiry, Signature calldata signature)
        private
        view
    {
        if (expiry < block.timestamp) revert SignatureExpired(participant, expiry, block.timestamp);
        (address signer,,) = ECDSA.tryRecover(hash, signature.r, signature.vs);
        address account = registry.accountOf(participant);
        if (signer == address(0) || signer != account) revert SignerIsNotParticipant(participant, signer, account);
        uint256 status = Profile.status(ProfileLookup.profileOf(registry, participant));
        if (status != Profile.ACTIVE) revert ParticipantNotActive(participant, status);
    }

    /// @dev The hash and the state of a concluded deal, opened by its terms; tampered ones lead to no deal
    function _opened(Deal calldata deal, Terms calldata terms) internal view returns (bytes32 hash, State memory state) {
        hash = hashOf(deal);
        state = _states[hash];
        if (deal.terms != termsHashOf(terms) || state.phase == Phase.None) revert NoDeal(hash);
        if (state.phase == Phase.Closed) revert DealClosed(hash);
    }

    function _move(uint256 from, uint256 to, uint256 amountMicroEur) internal {
        if (amountMicroEur != 0) clearingHouse.transfer(from, to, amountMicroEur);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice The EIP-712 hash of a deal: what both sign, and its name on the chain
    function hashOf(Deal calldata deal) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(DEAL_TYPEHASH, deal)));
    }

    /// @notice The hash of the hidden part of a deal
    function termsHashOf(Terms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    /// @notice Where a deal stands, and what is left of its margins
    function stateOf(bytes32 deal) external view returns (State memory) {
        return _states[deal];
    }

    /// @notice EIP-712 domain separator deals are signed under
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}
