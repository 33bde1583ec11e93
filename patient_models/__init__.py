"""How a patient evolves: mechanistic and learned models behind one contract."""
