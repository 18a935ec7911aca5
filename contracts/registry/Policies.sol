// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Purposes} from "../libraries/Purposes.sol";

/// @title What is open to anyone, and not only to who is registered
/// @notice Public mode: same chain, same contracts. What may be opened is in Purposes; orders, trades, metering and
///         settlement ask for a participant whatever the policies say.
abstract contract Policies is IParticipantRegistry {
    /// @inheritdoc IParticipantRegistry
    mapping(bytes32 purpose => bool) public isOpen;

    /// @notice From now on anyone may do what the purpose stands for, or again only who is registered
    event PolicySet(bytes32 indexed purpose, bool open);

    /// @notice No purpose that can be opened to anyone has this hash
    error UnknownPurpose(bytes32 purpose);

    function _setOpen(bytes32 purpose, bool open) internal {
        bool known = purpose == Purposes.HOLD_CURRENCY || purpose == Purposes.FUND || purpose == Purposes.HOLD_SHARES;
        if (!known) revert UnknownPurpose(purpose);
        isOpen[purpose] = open;
        emit PolicySet(purpose, open);
    }
}
