package org.evitmobile.ui

import org.evitmobile.core.Failure
import org.evitmobile.core.Prediction

/** All that the screen shows. */
sealed interface UiState {
    /** A model is being read, checked and opened. */
    data object Loading : UiState

    /** A model is open. [result] is null until the first image. */
    data class Running(
        val model: String,
        val choices: List<String>,
        val selected: Int,
        val runsOn: String,
        val notices: List<String>,
        val result: Result? = null,
    ) : UiState

    /** Nothing can run. [selected] is the choice that failed, where there was one; another may work. */
    data class Error(
        val got: String,
        val allowed: String,
        val advice: String,
        val choices: List<String> = emptyList(),
        val selected: Int? = null,
    ) : UiState
}

/** The latest image's classes; times are in milliseconds, [dropped] counts frames that came while another was being classified. */
data class Result(val predictions: List<Prediction>, val preprocessMs: Double, val inferenceMs: Double, val dropped: Int)

internal fun Failure.toState(choices: List<String> = emptyList(), selected: Int? = null) =
    UiState.Error(got, allowed, advice, choices, selected)
