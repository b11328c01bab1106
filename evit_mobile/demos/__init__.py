"""What the demo apps are fed with: a folder of artefacts into an app, and the browser demo on localhost."""
