// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Profile} from "../libraries/Profile.sol";

/// @title In whose name a gateway orders
/// @notice A gateway orders for who gave it a mandate, or for who signed the order for it
abstract contract GatewayOrders is EIP712 {
    /// @notice The participant gave its mandate to another gateway or to none (0)
    error NoMandate(uint256 participant, uint256 mandated, uint256 gateway);
    /// @notice The sequence is not above that of the order before
    error StaleSequence(uint256 participant, uint256 sequence, uint256 current);
    /// @notice The signature was good until `expiry`; unix seconds of block time
    error SignatureExpired(uint256 participant, uint256 expiry, uint256 timestamp);
    /// @notice Somebody else signed than the participant, whose account is `account`
    error SignerIsNotParticipant(uint256 participant, address signer, address account);

    /// @notice EIP-712 domain separator orders are signed under
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _requireMandate(uint256 participant, uint256 profile, uint256 gateway) internal pure {
        uint256 mandated = Profile.gateway(profile);
        if (mandated != gateway) revert NoMandate(participant, mandated, gateway);
    }

    /// @dev `expiry` is unix seconds of block time
    function _requireFresh(uint256 participant, uint256 expiry) internal view {
        if (expiry < block.timestamp) revert SignatureExpired(participant, expiry, block.timestamp);
    }

    /// @dev `terms` is the hash of what was signed
    function _requireSigner(
        IParticipantRegistry registry,
        uint256 participant,
        bytes32 domain,
        bytes32 terms,
        bytes32 r,
        bytes32 vs
    ) internal view {
        (address signer,,) = ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(domain, terms), r, vs);
        address account = registry.accountOf(participant);
        if (signer == address(0) || signer != account) {
            revert SignerIsNotParticipant(participant, signer, account);
        }
    }
}
