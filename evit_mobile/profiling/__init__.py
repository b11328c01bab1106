"""Measures artefacts where they run: latency, memory, operators and energy. Says plainly what could not be measured."""
