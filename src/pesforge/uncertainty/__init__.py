"""What a potential says of its own errors: predicted variances, their calibration on left-out groups, and guards."""
