"""The contract: types, state, step and execution. Imports nothing of ours."""
