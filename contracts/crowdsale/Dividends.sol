// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title What is paid in once, divided among who held shares at that moment
/// @notice Paying in and claiming cost the same for ten holders and ten thousand. What one holder may claim over all
///         time is its exact part rounded down, so that no fraction is lost: it counts for a later claim.
///         Σ claimable + Σ claimed <= Σ paid in; the difference is below one µEUR a holder, and stays here.
/// @dev    Scaled by 2^160: amounts and shares stay below 2^64, so products below 2^256. What scaling rounds off is
///         below 2^56 of these a payment in or a transfer, of which there are fewer than 2^46. An exact part is either
///         whole or off the whole by more than 2^-56 µEUR, as there are fewer than 2^56 shares; so a quarter of that on
///         top makes it exact again, and never more than due.
abstract contract Dividends is ERC20 {
    uint256 private constant SCALE = 2 ** 160;
    uint256 private constant ROUNDED_OFF = 2 ** 102;

    uint256 private _perShare;
    mapping(address holder => int256) private _corrections;
    /// @notice What a holder has claimed over all time, in µEUR
    mapping(address holder => uint256) public claimedBy;
    /// @notice What all holders have claimed over all time, in µEUR
    uint256 public claimedMicroEur;

    /// @notice What a holder may claim now, in µEUR
    function claimableOf(address holder) public view returns (uint256) {
        uint256 scaled = uint256(int256(_perShare * balanceOf(holder)) + _corrections[holder]);
        return (scaled + ROUNDED_OFF) / SCALE - claimedBy[holder];
    }

    function _distribute(uint256 amountMicroEur) internal {
        _perShare += (amountMicroEur * SCALE) / totalSupply();
    }

    /// @dev Notes that the holder got what it may claim
    function _noteClaim(address holder) internal returns (uint256 amountMicroEur) {
        amountMicroEur = claimableOf(holder);
        claimedBy[holder] += amountMicroEur;
        claimedMicroEur += amountMicroEur;
    }

    /// @dev Who gives shares away keeps what was paid in for them; who gets them gets what is paid in from now on
    function _update(address from, address to, uint256 value) internal virtual override {
        super._update(from, to, value);
        int256 sofar = int256(_perShare * value);
        if (sofar == 0) return;
        if (from != address(0)) _corrections[from] += sofar;
        if (to != address(0)) _corrections[to] -= sofar;
    }
}
