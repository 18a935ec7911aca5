"""From an application file to verified accounts: persons beside the chain, pseudonyms on it."""
