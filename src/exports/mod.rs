//! Reads Ads Manager exports and insights JSON as people have them.
