"""Keys of a deployment's parties, and keystores at rest."""
