"""Nova's service groups, pod status and ours under the same faults in one run; printed, never asserted in a test."""
