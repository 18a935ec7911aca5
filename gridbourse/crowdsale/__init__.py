"""Campaigns as their parties handle them: who does what, where one stands, what comes next."""
