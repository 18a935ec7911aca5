"""Running a deployed market: its state, the end of a period, proposals, withdrawals, the log."""
