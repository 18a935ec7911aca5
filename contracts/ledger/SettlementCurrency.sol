// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Settlement currency: one token is one euro, in µEUR
/// @notice Minted by the treasurer against a deposit in the bank, each bank reference once; held only by
///         registered accounts and system contracts, and, while that is open, by anyone. What a contract holds of
///         somebody who was let in goes back to it, whatever door closes behind it.
contract SettlementCurrency is ERC20 {
    IParticipantRegistry public immutable registry;
    /// @notice Contracts that may hold the currency, such as the clearing house
    mapping(address holder => bool) public systemHolder;
    /// @notice Who got currency while anyone might hold it: contracts may give it back for ever
    mapping(address holder => bool) public admitted;
    /// @notice Bank references that were minted against
    mapping(bytes32 bankReference => bool) public spent;

    /// @notice Currency came into being against a deposit in the bank
    event Minted(address indexed to, uint256 amountMicroEur, bytes32 indexed bankReference);
    /// @notice Currency was given back; the treasurer owes its holder a bank transfer
    event Redeemed(address indexed from, uint256 amountMicroEur);
    /// @notice A contract may hold the currency from now on
    event SystemHolderAdded(address indexed holder);

    /// @notice This account may not hold the currency: no participant, no system holder, and not opened to anyone
    error HolderNotPermitted(address account);
    /// @notice A participant's account cannot be a system holder
    error ParticipantsAccount(address account);
    /// @notice A system holder gets currency only when it asks for it itself, or another one pays it
    error OnlyByHolder(address holder, address caller);
    /// @notice This bank deposit was minted for already
    error BankReferenceSpent(bytes32 bankReference);

    constructor(IParticipantRegistry registry_) ERC20("gridbourse settlement euro", "gEUR") {
        registry = registry_;
    }

    /// @notice Six decimals: the unit is the µEUR
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Lets a contract hold the currency; refused for an address without code, such as the zero address, which
    ///         what is redeemed goes to, and for a party's own account, which others pay
    /// @dev    Warning: a system holder pays whom it will, without a look at the registry, and there is no way back: its
    ///         code has to be known
    function addSystemHolder(address holder) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        Contracts.requireCode(holder);
        if (registry.isParticipant(holder)) revert ParticipantsAccount(holder);
        systemHolder[holder] = true;
        emit SystemHolderAdded(holder);
    }

    /// @notice Mints against a deposit in the bank
    function mint(address to, uint256 amountMicroEur, bytes32 bankReference) external {
        registry.requireRole(Roles.TREASURER, msg.sender);
        if (spent[bankReference]) revert BankReferenceSpent(bankReference);
        spent[bankReference] = true;
        _mint(to, amountMicroEur);
        emit Minted(to, amountMicroEur, bankReference);
    }

    /// @notice Gives currency back for a bank transfer
    function redeem(uint256 amountMicroEur) external {
        _burn(msg.sender, amountMicroEur);
        emit Redeemed(msg.sender, amountMicroEur);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (systemHolder[to]) {
            // A contract takes currency only when it asks for it: what it holds is then what it has booked. What it
            // asks another system contract for comes by that one's call: they all pay their caller, and nobody else.
            if (msg.sender != to && !systemHolder[msg.sender]) revert OnlyByHolder(to, msg.sender);
        } else if (to != address(0) && !systemHolder[from]) {
            // What a system contract holds goes to whom it is due, without asking who that is.
            _requireMayReach(from, to);
        }
        super._update(from, to, amount);
    }

    /// @dev Who is let in while anyone may hold the currency is remembered: a contract of anyone's making may still give
    ///      back to it when that is over, but nobody else sends it anything
    function _requireMayReach(address from, address to) private {
        if (!registry.mayHoldCurrency(to)) {
            if (!admitted[to] || from.code.length == 0) revert HolderNotPermitted(to);
        } else if (registry.isOpen(Purposes.HOLD_CURRENCY) && !admitted[to]) {
            admitted[to] = true;
        }
    }
}
