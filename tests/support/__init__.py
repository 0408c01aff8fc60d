"""What system tests, console tests, demo and bench share: a private mariadbd, stand-ins for the outside
services, the daemon under test, and the proofs made from what all of them saw."""
