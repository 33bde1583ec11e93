"""What a picture says about a patient: radiomic features of a lesion and learned encodings of a scan."""
