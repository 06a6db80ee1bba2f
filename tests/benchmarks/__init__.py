"""Costs, judged as ratios to something plain in the same run; printed, and never asserted in a test."""
