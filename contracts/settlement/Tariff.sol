// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Retail price, feed-in tariff and grid fees, by period and zone
/// @notice A change takes effect only in periods that take no orders yet: what an order was placed on stands.
contract Tariff is ITariff {
    struct EnergyPrices {
        uint32 fromPeriod;
        uint16 retailMicroEurPerWh;
        uint16 feedInMicroEurPerWh;
    }

    struct DatedFees {
        uint32 fromPeriod;
        ZoneFees fees;
    }

    /// @notice Zone whose fees hold where neither a zone nor a zone above it has any
    uint256 public constant FLAT = 0;

    IParticipantRegistry public immutable registry;
    /// @inheritdoc ITariff
    IMarketClock public immutable clock;

    EnergyPrices[] private _prices;
    mapping(uint256 zone => DatedFees[]) private _fees;
    /// @notice The highest import or local fee any zone ever had: what orders are backed for
    uint16 public highestFeeMicroEurPerWh;
    /// @notice The highest retail price there ever was; with the highest fee it fits 16 bits in every period
    uint16 public highestRetailMicroEurPerWh;

    /// @notice New energy prices of the supplier
    event EnergyPricesSet(uint256 indexed fromPeriod, uint256 retailMicroEurPerWh, uint256 feedInMicroEurPerWh);
    /// @notice New grid fees of a zone (0 = flat)
    event GridFeesSet(
        uint256 indexed zone,
        uint256 indexed fromPeriod,
        uint256 importMicroEurPerWh,
        uint256 localMicroEurPerWh,
        uint256 exportMicroEurPerWh
    );

    error FeedInAboveRetail(uint256 feedInMicroEurPerWh, uint256 retailMicroEurPerWh);
    error PeriodTakesOrders(uint256 fromPeriod, uint256 lastOpenPeriod);
    error NotLater(uint256 fromPeriod, uint256 lastFromPeriod);
    error NoTariff(uint256 period);
    error PriceOutOfRange(uint256 retailPlusFeeMicroEurPerWh, uint256 maximum);

    constructor(IParticipantRegistry registry_, IMarketClock clock_) {
        registry = registry_;
        clock = clock_;
    }

    /// @notice Sets the supplier's energy prices from a period on
    function setEnergyPrices(uint32 fromPeriod, uint16 retailMicroEurPerWh, uint16 feedInMicroEurPerWh) external {
        registry.requireRole(Roles.SUPPLIER, msg.sender);
        if (feedInMicroEurPerWh > retailMicroEurPerWh) {
            revert FeedInAboveRetail(feedInMicroEurPerWh, retailMicroEurPerWh);
        }
        uint256 versions = _prices.length;
        if (versions != 0) _requireLater(fromPeriod, _prices[versions - 1].fromPeriod);
        _requireRange(retailMicroEurPerWh, highestFeeMicroEurPerWh);
        if (retailMicroEurPerWh > highestRetailMicroEurPerWh) highestRetailMicroEurPerWh = retailMicroEurPerWh;
        _prices.push(EnergyPrices(fromPeriod, retailMicroEurPerWh, feedInMicroEurPerWh));
        emit EnergyPricesSet(fromPeriod, retailMicroEurPerWh, feedInMicroEurPerWh);
    }

    /// @notice Sets the grid fees of a zone (0 = flat) from a period on
    function setGridFees(uint256 zone, uint32 fromPeriod, ZoneFees calldata fees) external {
        registry.requireRole(Roles.DSO, msg.sender);
        if (zone != FLAT) registry.parentZone(zone); // refuses an unknown zone
        DatedFees[] storage versions = _fees[zone];
        uint256 last = versions.length == 0 ? 0 : versions[versions.length - 1].fromPeriod;
        // Before there are energy prices nothing can be ordered, so anything may still be set.
        if (_prices.length != 0) _requireLater(fromPeriod, last);
        else if (fromPeriod < last) revert NotLater(fromPeriod, last);
        versions.push(DatedFees(fromPeriod, fees));
        uint16 higher =
            fees.importMicroEurPerWh > fees.localMicroEurPerWh ? fees.importMicroEurPerWh : fees.localMicroEurPerWh;
        if (higher > highestFeeMicroEurPerWh) highestFeeMicroEurPerWh = higher;
        _requireRange(highestRetailMicroEurPerWh, higher);
        emit GridFeesSet(
            zone, fromPeriod, fees.importMicroEurPerWh, fees.localMicroEurPerWh, fees.exportMicroEurPerWh
        );
    }

    /// @inheritdoc ITariff
    function energyPrices(uint256 period) public view returns (uint256, uint256) {
        for (uint256 i = _prices.length; i != 0; --i) {
            EnergyPrices storage prices = _prices[i - 1];
            if (prices.fromPeriod <= period) return (prices.retailMicroEurPerWh, prices.feedInMicroEurPerWh);
        }
        revert NoTariff(period);
    }

    /// @inheritdoc ITariff
    function feesOf(uint256 zone, uint256 period) external view returns (ZoneFees memory fees) {
        while (true) {
            DatedFees[] storage versions = _fees[zone];
            for (uint256 i = versions.length; i != 0; --i) {
                if (versions[i - 1].fromPeriod <= period) return versions[i - 1].fees;
            }
            if (zone == FLAT) return fees;
            zone = registry.parentZone(zone);
        }
    }

    /// @inheritdoc ITariff
    function holdRates(uint256 period) external view returns (uint256 retail, uint256 hold) {
        (retail,) = energyPrices(period);
        hold = retail + highestFeeMicroEurPerWh;
    }

    function _requireLater(uint256 fromPeriod, uint256 last) private view {
        if (fromPeriod <= last) revert NotLater(fromPeriod, last);
        uint256 lastOpen = clock.lastOpenPeriod();
        if (fromPeriod <= lastOpen) revert PeriodTakesOrders(fromPeriod, lastOpen);
    }

    function _requireRange(uint256 retail, uint256 fee) private pure {
        if (retail + fee > type(uint16).max) revert PriceOutOfRange(retail + fee, type(uint16).max);
    }
}
