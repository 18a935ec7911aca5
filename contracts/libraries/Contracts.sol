// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What an operator names once has to be what it is taken for: a slip could never be undone
library Contracts {
    /// @notice There is no contract at this address
    error NoContract(address account);
    /// @notice The contract at this address does not answer the question (its selector), so it is another one
    error AnotherContract(address account, bytes4 question);

    /// @notice Refuses an address without code
    function requireCode(address account) internal view {
        if (account.code.length == 0) revert NoContract(account);
    }

    /// @notice Refuses an address without code, and a contract that does not answer a question of one kind of contract
    /// @param question A view whose answer is one word, whatever its arguments are
    function requireAnswers(address account, bytes4 question) internal view {
        requireCode(account);
        (bool answers, bytes memory word) = account.staticcall(abi.encodeWithSelector(question, 0));
        if (!answers || word.length != 32) revert AnotherContract(account, question);
    }
}
