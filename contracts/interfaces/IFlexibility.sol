// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A flexibility product, as data: a new one needs no new code
/// @param directions 1 up (inject more or withdraw less), 2 down, 3 both; `symmetric`: both at once, or nothing
/// @param quantity 0 active energy in Wh, 1 reactive energy in varh
/// @param minimumBidWh Of an offer in a period; offers of one agent count together
/// @param fullActivationSeconds From the close of a request to full delivery
/// @param durationSeconds How long the response has to last
/// @param evidenceSeconds Resolution the evidence has to have; at a delivery period or more the meter suffices
/// @param method 0 the schedule declared on the chain, else the number of an agreed baseline method
/// @param penaltyPercent Of the price, for each Wh of shortfall; of method 0 for each Wh off the schedule; downwards of
///        price and compensation, for the energy is a part of what the seller gets
/// @param compensationMicroEurPerWh What supplier and buyer pay each other for energy that was moved. Downwards by method 0
///        it has to be retail price and highest import fee or more, or a false schedule pays: the contracts do not know
///        the tariff, who deploys does (see `gridbourse.model.flexibility.market.require_truthful`). Upwards the supplier pays
///        it: at most what the energy is worth to it
/// @param buyers One bit each: 1 the DSO, 2 the TSO, 4 participants
struct Product {
    bytes32 name;
    uint8 directions;
    bool symmetric;
    uint8 quantity;
    uint32 minimumBidWh;
    uint16 fullActivationSeconds;
    uint16 durationSeconds;
    uint16 evidenceSeconds;
    uint8 method;
    uint16 penaltyPercent;
    uint16 compensationMicroEurPerWh;
    uint8 buyers;
}

/// @notice What market and verification ask the list of products
interface IFlexibilityProducts {
    /// @notice A product; reverts when there is none of that number
    function productOf(uint256 number) external view returns (Product memory);

    /// @notice Whether the meter's own readings prove a product, so that it moves energy positions
    function metered(uint256 number) external view returns (bool);
}

/// @notice What the flexibility market asks of declared schedules
interface ISchedules {
    /// @notice Keeps a declared schedule from being changed; reverts when there is none
    function fix(uint256 period, uint256 participant) external;

    /// @notice Lets a schedule be changed again
    function release(uint256 period, uint256 participant) external;

    /// @notice What a participant declared to inject in a period, net, in Wh
    function scheduleOf(uint256 period, uint256 participant) external view returns (bool declared, int256 wh);
}

/// @notice What verification and tokens ask the flexibility market
interface IFlexibilityMarket {
    enum Phase {
        Open,
        Cleared,
        Void,
        Awarded,
        Ended
    }

    /// @notice A request, in one storage slot
    /// @param buyer Number of the buyer's account: the DSO's of the area, 7 the TSO, else a participant
    /// @param direction 1 up, 2 down, 3 both at once
    /// @param tick Ceiling price
    /// @param closesAt Market time until which offers are taken
    /// @param only The one participant that may offer (bilateral); 0 = all (pool)
    struct Request {
        uint32 period;
        uint32 buyer;
        uint8 product;
        uint16 zone;
        uint8 direction;
        Phase phase;
        bool payAsBid;
        uint32 wh;
        uint16 tick;
        uint32 closesAt;
        uint32 only;
    }

    /// @notice What the product says of a request, as far as the market needs it
    /// @param metered Whether the meter's own readings prove it, so that it moves positions
    /// @param reactive Whether it is reactive energy, which takes nothing of what a connection may trade
    /// @param declared Whether the baseline is the schedule each participant declared
    struct Rules {
        uint32 minimumBidWh;
        uint16 penaltyPercent;
        uint16 compensationMicroEurPerWh;
        bool metered;
        bool reactive;
        bool declared;
    }

    /// @notice What a participant owes under a request, or stands by with
    struct Leg {
        uint256 wh;
        uint256 priceMicroEurPerWh;
        uint256 bondMicroEur;
        bool standsBy;
    }

    /// @notice What a leg came to
    /// @param deliveredWh Energy that was delivered and is paid for
    /// @param sharedMicroEur The aggregator's part of what is paid
    /// @param penaltyMicroEur All that is lost of the bond
    /// @param damagesMicroEur The buyer's part of it, for what it was sold and did not get; the rest is the supplier's
    struct Closing {
        uint32 participant;
        uint32 aggregator;
        uint32 deliveredWh;
        uint64 paidMicroEur;
        uint64 sharedMicroEur;
        uint64 penaltyMicroEur;
        uint64 damagesMicroEur;
    }

    /// @notice Takes a request that FlexibilityRequests has checked; what it may come to cost goes into escrow
    /// @dev Warning: the market checks quantity and price alone; who may ask and offer is for the caller to have checked
    /// @return number Number of the request in its area and period
    function post(uint256 area, Request calldata posted, Rules calldata rules) external returns (uint256 number);

    /// @notice Takes offers that FlexibilityRequests has checked, each in place of what its participant offered before
    /// @param offers See FlexibilityOffer; 0 Wh takes an offer back
    /// @return replaced What each took the place of (see FlexibilityOffer)
    function enter(uint256 area, uint32 period, uint256 number, uint256[] calldata offers)
        external
        returns (uint256[] memory replaced);

    /// @notice Writes the legs of groups anew: which of them stand by, and which are too small
    function mark(uint256 area, uint32 period, uint256 number, uint256[] calldata groups, uint256[] calldata legs)
        external;

    /// @notice Takes what the clearing of a request found
    /// @param packedOutcome See MeritOrder
    function conclude(uint256 area, uint32 period, uint256 number, uint256 packedOutcome) external;

    /// @notice Makes a request void: everything goes back
    /// @param withheld Whether its buyer kept the seed of its lot to itself: then it loses what it might have come to pay
    function annul(uint256 area, uint32 period, uint256 number, bool withheld) external;

    /// @notice A request of an area and period
    function requestOf(uint256 area, uint256 period, uint256 number) external view returns (Request memory);

    /// @notice What the product says of a request
    function rulesOf(uint256 area, uint256 period, uint256 number) external view returns (Rules memory);

    /// @notice Legs under a request, four lanes to a group (see FlexibilityLeg)
    function legWordsOf(uint256 area, uint256 period, uint256 number, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory legs);

    /// @notice Legs of participants under a request; 0 Wh = none
    function legsOf(uint256 area, uint256 period, uint256 number, uint256[] calldata participants)
        external
        view
        returns (Leg[] memory);

    /// @notice Ends legs: pays, penalises, moves positions, and gives back what is left
    /// @return compensatedMicroEur What supplier and buyer paid each other for the energy that these legs moved
    function close(uint256 area, uint32 period, uint256 number, Closing[] calldata closings)
        external
        returns (uint256 compensatedMicroEur);

    /// @notice Moves what a token stood for to its holder's account
    function payClaim(uint256 account, uint256 amountMicroEur) external;

    /// @notice The contract that verifies delivery
    function delivery() external view returns (address);
}

/// @notice What the review asks verification
interface IFlexibilityDelivery {
    /// @notice What the meter verified in an area and period, as one hash of legs (see VerifiedLeg, Commitment)
    function verifiedOf(uint256 area, uint256 period) external view returns (bytes32);
}

/// @notice What verification asks of the tokens
interface IFlexibilityToken {
    /// @notice Makes tokens for verified delivery, with what they stand for attached
    function mint(address to, uint256 id, uint256 wh, uint256 claimMicroEur) external;
}
