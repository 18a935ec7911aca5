"""The pure reference model: every market rule exists once here and once in Solidity."""
