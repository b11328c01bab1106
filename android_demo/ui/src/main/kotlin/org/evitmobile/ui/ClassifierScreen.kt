package org.evitmobile.ui

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Button
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.unit.dp
import androidx.lifecycle.compose.collectAsStateWithLifecycle
import org.evitmobile.core.Prediction

/** The stateful screen. [preview] shows what the camera sees. */
@Composable
fun ClassifierRoute(viewModel: ClassifierViewModel, onBenchmark: () -> Unit, preview: @Composable (Modifier) -> Unit) {
    val state by viewModel.state.collectAsStateWithLifecycle()
    ClassifierScreen(state, viewModel::onSelect, onBenchmark, preview)
}

/** The stateless screen. */
@Composable
fun ClassifierScreen(state: UiState, onSelect: (Int) -> Unit, onBenchmark: () -> Unit, preview: @Composable (Modifier) -> Unit) {
    MaterialTheme(if (isSystemInDarkTheme()) darkColorScheme() else lightColorScheme()) {
        Surface(Modifier.fillMaxSize()) {
            Box(Modifier.safeDrawingPadding()) { // from Android 15 on, apps draw under the system's bars
                when (state) {
                    UiState.Loading -> Loading()
                    is UiState.Running -> Running(state, onSelect, onBenchmark, preview)
                    is UiState.Error -> Error(state, onSelect)
                }
            }
        }
    }
}

@Composable
private fun Loading() {
    Box(Modifier.fillMaxSize(), contentAlignment = Alignment.Center) { CircularProgressIndicator(Modifier.testTag("loading")) }
}

@Composable
private fun Running(state: UiState.Running, onSelect: (Int) -> Unit, onBenchmark: () -> Unit, preview: @Composable (Modifier) -> Unit) {
    Column(Modifier.fillMaxSize()) {
        preview(Modifier.fillMaxWidth().weight(1f))
        Column(Modifier.padding(16.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            Row(Modifier.fillMaxWidth(), verticalAlignment = Alignment.CenterVertically) {
                Column(Modifier.weight(1f)) {
                    Text(state.model, style = MaterialTheme.typography.titleMedium)
                    Text(state.runsOn, style = MaterialTheme.typography.bodySmall)
                }
                Button(onBenchmark) { Text("Benchmark") }
            }
            state.notices.forEach { Text(it, color = MaterialTheme.colorScheme.error, style = MaterialTheme.typography.bodySmall) }
            Predictions(state.result)
            ChoiceMenu(state.choices, state.selected, onSelect)
        }
    }
}

@Composable
private fun Predictions(result: Result?) {
    if (result == null) {
        Text("Waiting for the camera")
        return
    }
    result.predictions.forEach { PredictionRow(it) }
    Text(
        "%.1f ms to prepare, %.1f ms to infer, %d frames dropped".format(result.preprocessMs, result.inferenceMs, result.dropped),
        style = MaterialTheme.typography.bodySmall,
    )
}

@Composable
private fun PredictionRow(prediction: Prediction) {
    Column(Modifier.fillMaxWidth()) {
        Row(Modifier.fillMaxWidth(), horizontalArrangement = Arrangement.SpaceBetween) {
            Text(prediction.label)
            Text("%.1f %%".format(100 * prediction.probability))
        }
        LinearProgressIndicator(progress = { prediction.probability.toFloat() }, modifier = Modifier.fillMaxWidth())
    }
}

@Composable
private fun Error(state: UiState.Error, onSelect: (Int) -> Unit) {
    Column(
        Modifier.fillMaxSize().padding(24.dp).verticalScroll(rememberScrollState()),
        verticalArrangement = Arrangement.spacedBy(12.dp, Alignment.CenterVertically),
    ) {
        Text("This model cannot run", style = MaterialTheme.typography.headlineSmall)
        Text("Found: ${state.got}")
        Text("Allowed: ${state.allowed}")
        Text("What to do: ${state.advice}")
        if (state.choices.isNotEmpty()) ChoiceMenu(state.choices, state.selected, onSelect)
    }
}
