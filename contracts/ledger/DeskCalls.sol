// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IClearingHouseDesk} from "../interfaces/IClearingHouseDesk.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPayments} from "../interfaces/IPayments.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {ClearingHouseDesk} from "./ClearingHouseDesk.sol";
import {Modules} from "./Modules.sol";
import {Withdrawals} from "./Withdrawals.sol";

/// @title The functions of the clearing house whose code is in its desk
/// @notice Each runs the desk's code on the storage of the clearing house, with the caller and the answer as they are. The
///         desk is deployed with the clearing house and never another.
/// @dev    Warning: both are laid out alike. A state variable goes into a base that both have, never into one of the two
///         alone, or the desk would write over another one.
abstract contract DeskCalls is Withdrawals, IClearingHouseDesk {
    /// @notice Where the code of these functions is
    address public immutable desk;

    constructor(
        IParticipantRegistry registry_,
        IERC20 currency_,
        ITariff tariff_,
        uint256 ringSize_,
        uint256 timelockSeconds_,
        uint256 disputeWindowSeconds_
    ) Modules(registry_, timelockSeconds_) Withdrawals(currency_, tariff_, ringSize_, disputeWindowSeconds_) {
        desk = address(
            new ClearingHouseDesk(registry_, currency_, tariff_, ringSize_, timelockSeconds_, disputeWindowSeconds_)
        );
    }

    /// @inheritdoc IClearingHouseDesk
    function proposeModule(address, uint8) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function authoriseModule(address) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function revokeModule(address) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function seal() external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function deposit(uint256[] calldata, uint256[] calldata) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function setCreditLimit(uint256, uint256) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function payWaiting(uint256[] calldata) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function withdraw(uint256) external returns (uint256) {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function withdrawHouse(uint256, uint256) external returns (uint256) {
        _atDesk();
    }

    /// @inheritdoc IPayments
    function collect(uint256, uint256) external returns (uint256) {
        _atDesk();
    }

    /// @inheritdoc IPayments
    function collectAnnounced(uint256, uint256, uint256) external returns (uint256) {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function finishWithdrawal(uint256) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function cancelWithdrawal(uint256) external {
        _atDesk();
    }

    /// @inheritdoc IClearingHouseDesk
    function balances(uint256) external view returns (int256[] memory all) {
        _readAtDesk(); // ends the call
        return all;
    }

    /// @inheritdoc IClearingHouseDesk
    function moneySum(uint256) external view returns (int256 sum) {
        _readAtDesk(); // ends the call
        return sum;
    }

    /// @dev As `_atDesk`, for functions of the desk that are views there
    function _readAtDesk() private view {
        function() internal atDesk = _atDesk;
        function() internal view read;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            read := atDesk // the compiler cannot know that the code behind a delegate call only reads
        }
        read();
    }

    /// @dev Runs the call at the desk and ends it with the desk's answer or refusal
    function _atDesk() private {
        address code = desk;
        // solhint-disable-next-line no-inline-assembly
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), code, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(done) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
