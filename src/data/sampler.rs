//! `[sampler]`: which prompts a step trains on.
