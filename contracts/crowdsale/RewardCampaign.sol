// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Campaign} from "./Campaign.sol";

/// @title Who gives gets goods, never money
/// @notice The owner lists goods with a price and a stock. A funder picks vouchers for what it gave, each unit of money
///         once; a good is handed over when both sides have said so. Vouchers are void with the refund.
contract RewardCampaign is Campaign {
    /// @notice A good; `description`: hash of what the owner published, `price`: money given for which one can be picked
    struct Good {
        bytes32 description;
        uint64 priceMicroEur;
        uint32 left;
    }

    /// @notice How many of a good a funder has picked, and how many each side says were handed over
    struct Voucher {
        uint32 picked;
        uint32 handedOver;
        uint32 received;
    }

    /// @notice The most goods: a refund goes through them all
    uint256 public constant MAX_GOODS = 16;

    Good[] private _goods;
    mapping(address funder => mapping(uint256 good => Voucher)) private _vouchers;
    /// @notice What of a funder's money its vouchers stand for, in µEUR
    mapping(address funder => uint256) public spokenForMicroEur;

    /// @notice The owner listed a good
    event GoodListed(uint256 indexed good, bytes32 description, uint256 priceMicroEur, uint256 stock);
    /// @notice A funder picked goods
    event Picked(address indexed funder, uint256 indexed good, uint256 count);
    /// @notice One side says that goods were handed over
    event HandOverStated(address indexed funder, uint256 indexed good, uint256 count, bool byOwner);
    /// @notice Both sides have said so
    event Redeemed(address indexed funder, uint256 indexed good, uint256 count);
    /// @notice Vouchers not redeemed went with the refund
    event VouchersVoided(address indexed funder, uint256 indexed good, uint256 count);

    /// @notice No good has this number; `goods` is how many there are
    error NoSuchGood(uint256 good, uint256 goods);
    /// @notice More of a good is picked than is left
    error OutOfStock(uint256 good, uint256 count, uint256 left);
    /// @notice What the funder gave does not reach for all that it picks
    error NotGivenEnough(address funder, uint256 givenMicroEur, uint256 neededMicroEur);
    /// @notice More of a good would be handed over or received than was picked
    error AbovePicked(address funder, uint256 good, uint256 count, uint256 picked);

    constructor(Anchors memory anchors, CampaignTerms memory terms_) ERC20("gridbourse reward", "gREWARD") Campaign(anchors, terms_) {}

    /// @notice Lists a good
    function list(bytes32 description, uint64 priceMicroEur, uint32 stock) external onlyOwner onlyIn(Phase.Draft) {
        uint256 good = _goods.length;
        _require(good < MAX_GOODS, "goods below", good, MAX_GOODS);
        _require(priceMicroEur > 0, "price above zero", priceMicroEur, 0);
        _require(stock > 0, "stock above zero", stock, 0);
        _goods.push(Good(description, priceMicroEur, stock));
        emit GoodListed(good, description, priceMicroEur, stock);
    }

    /// @notice Picks goods for money the caller has given; until the project is built
    function pick(uint256 good, uint32 count) external {
        if (phase != Phase.Open && phase != Phase.Succeeded) revert WrongPhase(phase);
        if (good >= _goods.length) revert NoSuchGood(good, _goods.length);
        if (count == 0) revert NothingToMove(msg.sender);
        Good storage picked = _goods[good];
        if (count > picked.left) revert OutOfStock(good, count, picked.left);
        uint256 needed = spokenForMicroEur[msg.sender] + uint256(picked.priceMicroEur) * count;
        if (needed > balanceOf(msg.sender)) revert NotGivenEnough(msg.sender, balanceOf(msg.sender), needed);
        spokenForMicroEur[msg.sender] = needed;
        picked.left -= count;
        _vouchers[msg.sender][good].picked += count;
        emit Picked(msg.sender, good, count);
    }

    /// @notice The owner says that it handed goods over to a funder
    function handOver(address funder, uint256 good, uint32 count) external onlyOwner {
        Voucher storage voucher = _requireStands(funder, good, count);
        uint256 stated = uint256(voucher.handedOver) + count;
        if (stated > voucher.picked) revert AbovePicked(funder, good, stated, voucher.picked);
        uint256 before = _redeemed(voucher);
        voucher.handedOver = uint32(stated);
        _state(funder, good, count, true, _redeemed(voucher) - before);
    }

    /// @notice The funder says that it got goods
    function confirmReceipt(uint256 good, uint32 count) external {
        Voucher storage voucher = _requireStands(msg.sender, good, count);
        uint256 stated = uint256(voucher.received) + count;
        if (stated > voucher.picked) revert AbovePicked(msg.sender, good, stated, voucher.picked);
        uint256 before = _redeemed(voucher);
        voucher.received = uint32(stated);
        _state(msg.sender, good, count, false, _redeemed(voucher) - before);
    }

    function _requireStands(address funder, uint256 good, uint32 count) private view returns (Voucher storage) {
        if (phase == Phase.Draft || phase == Phase.Open || phase == Phase.Failed || phase == Phase.Abandoned) {
            revert WrongPhase(phase);
        }
        if (count == 0) revert NothingToMove(funder);
        return _vouchers[funder][good];
    }

    function _state(address funder, uint256 good, uint256 count, bool byOwner, uint256 redeemed) private {
        emit HandOverStated(funder, good, count, byOwner);
        if (redeemed != 0) emit Redeemed(funder, good, redeemed);
    }

    /// @inheritdoc Campaign
    function refund() public override {
        _void(msg.sender);
        super.refund();
    }

    /// @dev What was not handed over goes back to the stock, which nobody picks from any more
    function _void(address holder) private {
        delete spokenForMicroEur[holder];
        for (uint256 good; good < _goods.length; ++good) {
            Voucher storage voucher = _vouchers[holder][good];
            uint32 void = voucher.picked - uint32(_redeemed(voucher));
            if (void == 0) continue;
            voucher.picked -= void;
            _goods[good].left += void;
            emit VouchersVoided(holder, good, void);
        }
    }

    function _redeemed(Voucher storage voucher) private view returns (uint256) {
        return voucher.handedOver < voucher.received ? voucher.handedOver : voucher.received;
    }

    /// @notice Every good, with what is left of it
    function goods() external view returns (Good[] memory) {
        return _goods;
    }

    /// @notice What a funder has picked of a good, and how many each side says were handed over
    function voucherOf(address funder, uint256 good) external view returns (Voucher memory) {
        return _vouchers[funder][good];
    }
}
