"""What finding objects needs: anchors, boxes and their decoding, average precision, reports, drawings."""
