// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AreaKey} from "../libraries/AreaKey.sol";
import {Roles} from "../libraries/Roles.sol";
import {Withdrawals} from "./Withdrawals.sol";

/// @title How a module comes and goes: proposed in public, authorised behind the timelock, revoked at once
/// @notice The timelock binds from the seal on, also on what was proposed before
abstract contract ModuleDesk is Withdrawals {
    /// @notice Proposes a module by the code it has; it can be authorised once the timelock has run
    function proposeModule(address module, uint8 permissions) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (module.code.length == 0) revert NoCode(module);
        uint256 executableAt = isSealed ? block.timestamp + timelockSeconds : block.timestamp;
        bytes32 codehash = module.codehash;
        proposalOf[module] = Proposal(permissions, uint64(executableAt), codehash);
        emit ModuleProposed(module, permissions, executableAt, executableAt + PROPOSAL_LIFETIME, codehash);
    }

    /// @notice Authorises a proposed module
    function authoriseModule(address module) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        Proposal memory proposal = proposalOf[module];
        if (proposal.executableAt == 0) revert NotProposed(module);
        // What was proposed before the seal waits as long as what comes after it.
        uint256 earliest = isSealed ? sealedAt + timelockSeconds : 0;
        uint256 executableAt = proposal.executableAt > earliest ? proposal.executableAt : earliest;
        if (block.timestamp < executableAt) revert TimelockRunning(module, executableAt);
        if (block.timestamp > executableAt + PROPOSAL_LIFETIME) {
            revert ProposalExpired(module, executableAt + PROPOSAL_LIFETIME);
        }
        if (module.codehash != proposal.codehash) revert CodeChanged(module, proposal.codehash, module.codehash);
        delete proposalOf[module];
        _list(module, proposal.permissions);
        _modules[module].permissions = proposal.permissions;
        emit ModuleAuthorised(module, proposal.permissions);
    }

    /// @notice Takes a module's permissions, and what is proposed for it, at once. It may still give back reservations
    ///         and margins that it holds; what it booked counts, as far as it closes
    function revokeModule(address module) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        _list(module, 0);
        _modules[module].permissions = 0;
        delete proposalOf[module];
        emit ModuleRevoked(module);
    }

    /// @dev Keeps the list of markets in step with the permissions a module is about to get
    function _list(address module, uint8 permissions) private {
        bool before = _modules[module].permissions & MARKET != 0;
        bool after_ = permissions & MARKET != 0;
        if (before == after_) return;
        if (after_) {
            if (_markets.length == MAX_MARKETS) revert TooManyMarkets(module, MAX_MARKETS);
            _markets.push(module);
            _giveIndex(module);
            return;
        }
        uint256 last = _markets.length - 1;
        for (uint256 i; i < last; ++i) {
            if (_markets[i] == module) _markets[i] = _markets[last];
        }
        _markets.pop();
    }

    /// @dev A market keeps its index for as long as a period holds something under it, whether it is revoked or not
    function _giveIndex(address module) private {
        Module storage given = _modules[module];
        if (given.known && _marketAt[given.index] == module) return;
        uint256 index;
        while (index < MAX_MARKETS && _marketAt[index] != address(0)) ++index;
        // Only where every index was given before, the rings of all areas are looked through for one that is free again.
        if (index == MAX_MARKETS) index = _freedIndex();
        if (index == MAX_MARKETS) revert TooManyMarkets(module, MAX_MARKETS);
        _marketAt[index] = module;
        (given.known, given.index) = (true, uint8(index));
    }

    /// @dev The first index whose market was revoked and holds nothing any more; MAX_MARKETS where there is none
    function _freedIndex() private view returns (uint256 index) {
        uint256 inUse = _indexesInUse();
        for (; index < MAX_MARKETS; ++index) {
            bool listed = _modules[_marketAt[index]].permissions & MARKET != 0;
            if (!listed && (inUse >> index) & 1 == 0) return index;
        }
    }

    /// @dev One bit for each index under which a period that is not over has reservations
    function _indexesInUse() private view returns (uint256 inUse) {
        uint256 areas = registry.areaCount();
        for (uint256 area; area < areas; ++area) {
            for (uint256 i; i < ringSize; ++i) {
                Period storage slot = _ring[AreaKey.inSlot(i, area)];
                if (!slot.settled) inUse |= slot.reservedBy;
            }
        }
    }

    /// @notice Ends the setting up: from now on the timelock binds
    function seal() external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (isSealed) revert AlreadySealed(sealedAt);
        isSealed = true;
        sealedAt = block.timestamp;
        emit Sealed();
    }
}
