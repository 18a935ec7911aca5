"""From an application file to verified accounts: people beside the chain, pseudonyms on it."""
