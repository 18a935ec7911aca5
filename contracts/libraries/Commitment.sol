// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title One hash for everything a period was settled on
/// @notice Each settling call makes a Merkle tree over its groups; the calls' roots are chained in order. So the
///         evidence of a group stays provable when its ring slots have long been rewritten.
library Commitment {
    /// @notice What a group was settled on: profiles, energy lanes (sold, bought), signed 64-bit readings with
    ///         estimates in place of missing ones, energy lanes (export cap, import cap)
    struct Leaf {
        uint256 period;
        uint256 group;
        uint256 profiles;
        uint256 positions;
        uint256 readings;
        uint256 caps;
    }

    /// @notice Where a leaf is: siblings in its call's tree, the chain before that call, the roots of the calls after
    struct Path {
        bytes32[] siblings;
        bytes32 before;
        bytes32[] later;
    }

    /// @dev 192 bytes are hashed here and 64 in an inner node, so that no node passes for a leaf
    function hash(Leaf memory leaf) internal pure returns (bytes32 hashed) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            hashed := keccak256(leaf, 192) // six words in memory are what abi.encode makes of them
        }
    }

    /// @notice The chain with one more call's leaves
    /// @dev Warning: `leaves` is overwritten, and of no use afterwards
    function extend(bytes32 chain, bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 count = leaves.length;
        if (count == 0) return chain;
        unchecked {
            while (count > 1) {
                uint256 half = count / 2;
                for (uint256 i; i < half; ++i) {
                    leaves[i] = Hashes.commutativeKeccak256(leaves[2 * i], leaves[2 * i + 1]);
                }
                if (count % 2 != 0) leaves[half] = leaves[count - 1];
                count = half + count % 2;
            }
        }
        return keccak256(abi.encode(chain, leaves[0]));
    }

    /// @notice The commitment a leaf belongs to by its path
    function commitmentOf(bytes32 leaf, Path memory path) internal pure returns (bytes32 chain) {
        chain = keccak256(abi.encode(path.before, MerkleProof.processProof(path.siblings, leaf)));
        for (uint256 i; i < path.later.length; ++i) {
            chain = keccak256(abi.encode(chain, path.later[i]));
        }
    }
}
