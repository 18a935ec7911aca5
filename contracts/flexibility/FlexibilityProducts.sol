// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFlexibilityProducts, Product} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Roles} from "../libraries/Roles.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title The flexibility products that may be asked for
/// @notice Added by the operator, numbered from 0, never changed: what was offered on stands.
contract FlexibilityProducts is IFlexibilityProducts {
    uint256 private constant MAX_PRODUCTS = 256;
    uint256 private constant ALL_BUYERS = 7;

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;

    Product[] private _products;

    /// @notice A product may be asked for from now on
    event ProductAdded(uint256 indexed product, Product terms);

    /// @notice A field of the product has a value that makes no sense; see Product for its unit
    error BadProduct(string field, uint256 value);
    /// @notice No product has this number
    error UnknownProduct(uint256 product);
    /// @notice There are as many products as there can be
    error TooManyProducts(uint256 maximum);

    constructor(IParticipantRegistry registry_, IMarketClock clock_) {
        registry = registry_;
        clock = clock_;
    }

    /// @notice Adds a product
    /// @return number Its number
    function add(Product calldata terms) external returns (uint256 number) {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        number = _products.length;
        if (number == MAX_PRODUCTS) revert TooManyProducts(MAX_PRODUCTS);
        _requireSound(terms);
        _products.push(terms);
        emit ProductAdded(number, terms);
    }

    function _requireSound(Product calldata terms) private view {
        if (terms.directions == 0 || terms.directions > FlexibilityRules.BOTH) {
            revert BadProduct("directions", terms.directions);
        }
        if (terms.quantity > 1) revert BadProduct("quantity", terms.quantity);
        if (terms.buyers == 0 || terms.buyers > ALL_BUYERS) revert BadProduct("buyers", terms.buyers);
        if (terms.evidenceSeconds == 0) revert BadProduct("evidenceSeconds", 0);
        if (_metered(terms)) {
            // One reading cannot show that somebody went both ways.
            if (terms.symmetric) revert BadProduct("symmetric", 1);
        } else {
            if (terms.method == FlexibilityRules.DECLARED_SCHEDULE) revert BadProduct("method", terms.method);
            if (terms.compensationMicroEurPerWh != 0) {
                revert BadProduct("compensationMicroEurPerWh", terms.compensationMicroEurPerWh);
            }
        }
        if (terms.symmetric && terms.directions != FlexibilityRules.BOTH) {
            revert BadProduct("directions", terms.directions);
        }
        // Without a penalty a schedule is anybody's word, and the lot would never call.
        if (terms.method == FlexibilityRules.DECLARED_SCHEDULE && terms.penaltyPercent == 0) {
            revert BadProduct("penaltyPercent", 0);
        }
    }

    function _metered(Product memory terms) private view returns (bool) {
        return terms.quantity == 0 && terms.evidenceSeconds >= clock.mtuSeconds();
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice How many products there are
    function count() external view returns (uint256) {
        return _products.length;
    }

    /// @inheritdoc IFlexibilityProducts
    function productOf(uint256 number) public view returns (Product memory) {
        if (number >= _products.length) revert UnknownProduct(number);
        return _products[number];
    }

    /// @inheritdoc IFlexibilityProducts
    function metered(uint256 number) external view returns (bool) {
        return _metered(productOf(number));
    }
}
