"""Sampling tasks into stores of rollouts, and what the stores come to."""
