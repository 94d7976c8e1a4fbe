//! Comparing the CPA of two arms, honestly.
