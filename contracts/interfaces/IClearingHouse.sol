// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the settlement and the grid oracle ask of the list of modules
interface IModules {
    /// @notice Every module that may book trades: no area is settled for a period before each of them is done with it
    function markets() external view returns (address[] memory);

    /// @notice Whether the setting up is over and the timelock binds
    function isSealed() external view returns (bool);

    /// @notice Seconds between a proposal and what is proposed, once sealed
    function timelockSeconds() external view returns (uint256);

    /// @notice Permissions of a module, as bits
    function permissionsOf(address module) external view returns (uint8);

    /// @notice Whether a module may book trades now
    function isMarket(address module) external view returns (bool);
}

/// @notice What markets ask of the money accounts
interface IMoneyAccounts {
    /// @notice Free money of an account in µEUR; negative = debt
    function balanceOf(uint256 account) external view returns (int256);

    /// @notice What an account may give away now, in µEUR: its free money, and of a house account only what does not have
    ///         to cover what participants owe
    function spendableOf(uint256 account) external view returns (uint256);
}

/// @notice What all rings of periods have in common
interface IPeriods {
    /// @notice Number of period slots in every ring; each area has a ring of its own
    function ringSize() external view returns (uint256);
}

/// @notice What markets, oracles and the settlement ask the clearing house
interface IClearingHouse is IModules, IMoneyAccounts, IPeriods {
    /// @notice Energy lanes (sell, buy) of a group: what is given back and what is claimed in its place
    struct Exchange {
        uint256 group;
        uint256 released;
        uint256 claimed;
    }

    /// @notice Takes the ring slot of a period of an area; a no-op when the period holds it already. Refuses an area that
    ///         is not there, or closed by then
    /// @return settling Whether settlement of the area and period has begun
    function activate(uint256 area, uint256 period) external returns (bool settling);

    /// @notice Exchanges reservations of groups of an area: the caller's own. A market that was revoked may still give back
    /// @param agent The account that acts for participants, within what each lets its agents promise; zero where each
    ///        acts for itself or signed
    /// @return profiles The groups' profiles, as the registry holds them
    function reserve(uint256 area, uint256 period, address agent, Exchange[] calldata exchanges)
        external
        returns (uint256[] memory profiles);

    /// @notice Books trades of groups of an area: energy lanes (sold, bought) and signed payments (+ received), which
    ///         settlement pays
    function book(
        uint256 area,
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata fills,
        uint256[] calldata payments
    ) external;

    /// @notice Books trades of groups of an area at one price for all that the market books there in the period: payments
    ///         follow from it, and are not kept group by group
    function bookAt(
        uint256 area,
        uint256 period,
        uint256 priceMicroEurPerWh,
        uint256[] calldata groups,
        uint256[] calldata fills
    ) external;

    /// @notice Moves what payers paid above what payees received (pay-as-bid) to the spread account
    function collectSpread(uint256 area, uint256 period, uint256 amountMicroEur) external;

    /// @notice Moves free money from one account to another: subscriptions, margins, compensations. Out of the margin
    ///         account a market moves what it put there; that it may even when it was revoked
    /// @dev    Warning: a module that may call this moves the free money of every account: the timelock before it is
    ///         authorised is what guards it
    /// @param from Number of the account that pays
    /// @param to Number of the account that is paid
    function transfer(uint256 from, uint256 to, uint256 amountMicroEur) external;

    /// @notice Changes accounts of an area's groups at settlement, pays trades and gives back what the period still holds; sums to zero
    /// @param suppliersMicroEur What the supplier receives of each group (− pays to it): where that leaves no cover, what
    ///        the group is credited waits
    /// @param dsoMicroEur What the DSO receives of all
    function settle(
        uint256 area,
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata deltas,
        int256[] calldata suppliersMicroEur,
        int256 dsoMicroEur
    ) external;

    /// @notice Marks a period of an area as settled: its ring slot is free for another one
    function finishArea(uint256 area, uint256 period) external;

    /// @notice Changes the accounts of a group of an area that is settled already; sums to zero
    function correct(
        uint256 area,
        uint256 period,
        uint256 group,
        uint256 deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external;

    /// @notice Energy lanes (sold, bought) of groups of an area in a period
    function positionsOfGroups(uint256 area, uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory positions);

    /// @notice The last period in `from` .. `to` in which the participant has energy reserved; 0 = none
    function lastReserved(uint256 participant, uint256 from, uint256 to) external view returns (uint256);

    /// @notice Whether settlement of the area and period has begun
    function settling(uint256 area, uint256 period) external view returns (bool);
}
