"""From the loaded model to what targets lower: rewritten, exported, calibrated, planned, at every size."""
