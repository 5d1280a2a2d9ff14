ensure_base_image() { :; }
