"""MQTT: publish, subscribe, and see a broker's topics."""
