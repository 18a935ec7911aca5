// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {IFlexibilityMarket, IFlexibilityToken} from "../interfaces/IFlexibility.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Roles} from "../libraries/Roles.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title A token for each Wh (or varh) of flexibility whose delivery was verified
/// @notice Its number says product, zone, direction and period. Each holding carries a claim to money in the margin
///         account, which a transfer divides in proportion, rounded down; the holder redeems tokens for it. Held and
///         received by who has an account in the clearing house. An account that another took the place of moves none:
///         what lies there follows its participant. Invariant: the supply is what was verified and is not
///         redeemed, and the claims are what is kept for it.
/// @dev    Minting does not ask the receiver, so that no receiver keeps a period from being settled; transfers do.
contract FlexibilityToken is ERC1155, IFlexibilityToken {
    /// @notice What there is of a token, and the claims of all its holders
    struct Supply {
        uint128 wh;
        uint128 claimMicroEur;
    }

    IParticipantRegistry public immutable registry;
    IFlexibilityMarket public immutable market;

    /// @notice What there is of a token
    mapping(uint256 id => Supply) public supplyOf;
    /// @notice What a holding stands for, in µEUR
    mapping(uint256 id => mapping(address holder => uint256)) public claimOf;

    /// @notice A claim moved with tokens; `from` is zero when they are minted, `to` when they are redeemed
    event ClaimMoved(uint256 indexed id, address indexed from, address indexed to, uint256 amountMicroEur);

    /// @notice Only the contract that verifies delivery makes tokens
    error OnlyDelivery(address caller);
    /// @notice The account has no tokens of this kind
    error NothingToRedeem(uint256 account, uint256 id);
    /// @notice The account was replaced: what it has belongs to the participant's new one
    error AccountWasReplaced(address account, uint256 participant);
    /// @notice The account was not replaced
    error NotReplaced(address account);

    constructor(IParticipantRegistry registry_, IFlexibilityMarket market_) ERC1155("") {
        registry = registry_;
        market = market_;
    }

    /// @inheritdoc IFlexibilityToken
    function mint(address to, uint256 id, uint256 wh, uint256 claimMicroEur) external {
        if (msg.sender != market.delivery()) revert OnlyDelivery(msg.sender);
        _update(address(0), to, _single(id), _single(wh));
        claimOf[id][to] += claimMicroEur;
        Supply memory supply = supplyOf[id];
        supplyOf[id] = Supply(supply.wh + uint128(wh), supply.claimMicroEur + uint128(claimMicroEur));
        emit ClaimMoved(id, address(0), to, claimMicroEur);
    }

    /// @notice Redeems all the caller holds of tokens: they are burnt, their claims go to its account
    /// @return amountMicroEur What went there
    function redeem(uint256[] calldata ids) external returns (uint256 amountMicroEur) {
        uint256 account = accountNumberOf(msg.sender);
        for (uint256 i; i < ids.length; ++i) {
            uint256 id = ids[i];
            uint256 wh = balanceOf(msg.sender, id);
            if (wh == 0) revert NothingToRedeem(account, id);
            uint256 claim = claimOf[id][msg.sender];
            amountMicroEur += claim;
            _update(msg.sender, address(0), _single(id), _single(wh));
            Supply memory supply = supplyOf[id];
            supplyOf[id] = Supply(supply.wh - uint128(wh), supply.claimMicroEur - uint128(claim));
        }
        market.payClaim(account, amountMicroEur);
    }

    /// @notice Moves all a replaced account holds of tokens, with its claims, to its participant's present account;
    ///         anyone may ask. Where it holds none, nothing happens
    /// @dev The receiver is not asked, as when tokens are minted
    function follow(address former, uint256[] calldata ids) external {
        uint256 participant = registry.formerlyOf(former);
        if (participant == 0) revert NotReplaced(former);
        address account = registry.accountOf(participant);
        for (uint256 i; i < ids.length; ++i) {
            uint256 wh = balanceOf(former, ids[i]);
            if (wh != 0) _updateOne(former, account, ids[i], wh);
        }
    }

    /// @dev Token by token, so that one named twice is divided as it then stands
    function _update(address from, address to, uint256[] memory ids, uint256[] memory values) internal override {
        if (ids.length != values.length) revert ERC1155InvalidArrayLength(ids.length, values.length);
        if (to != address(0)) accountNumberOf(to); // refuses who has none
        if (from != address(0)) {
            uint256 participant = registry.formerlyOf(from);
            if (participant != 0) revert AccountWasReplaced(from, participant);
        }
        for (uint256 i; i < ids.length; ++i) {
            _updateOne(from, to, ids[i], values[i]);
        }
    }

    function _updateOne(address from, address to, uint256 id, uint256 value) private {
        if (from == address(0)) {
            super._update(from, to, _single(id), _single(value));
            return;
        }
        uint256 held = balanceOf(from, id);
        super._update(from, to, _single(id), _single(value)); // refuses more than is held
        uint256 moved = held == 0 ? 0 : (claimOf[id][from] * value) / held;
        claimOf[id][from] -= moved;
        if (to != address(0)) claimOf[id][to] += moved;
        emit ClaimMoved(id, from, to, moved);
    }

    /// @notice Number of the clearing house account of an address: a house party's or a participant's; reverts without
    function accountNumberOf(address holder) public view returns (uint256) {
        uint256 dso = registry.dsoAccountOf(holder);
        if (dso != 0) return dso;
        if (registry.hasRole(Roles.TSO, holder)) return HouseAccounts.TSO;
        if (registry.hasRole(Roles.SUPPLIER, holder)) return HouseAccounts.SUPPLIER;
        if (registry.hasRole(Roles.OPERATOR, holder)) return HouseAccounts.OPERATOR;
        return registry.numberOf(holder);
    }

    /// @notice Number of the token for flexibility of a product, needed in a zone, in a direction (1 up, 2 down, 3 both)
    ///         and a period
    function idOf(uint256 product, uint256 zone, uint256 direction, uint256 period) external pure returns (uint256) {
        return FlexibilityRules.tokenId(product, zone, direction, period);
    }

    function _single(uint256 value) private pure returns (uint256[] memory one) {
        one = new uint256[](1);
        one[0] = value;
    }
}
