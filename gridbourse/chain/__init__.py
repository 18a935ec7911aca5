"""The chain side: compile, connect, sign, deploy, and one thin class per contract."""
