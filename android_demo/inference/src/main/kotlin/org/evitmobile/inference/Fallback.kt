package org.evitmobile.inference

import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure

/**
 * Opens an artefact on [wanted], or else on the CPU, which every artefact was proven on; the notice then says why.
 * Throws [Failure] when the CPU cannot run it either.
 */
fun Runtime.openOrFallBack(file: File, artefact: ArtefactEntry, wanted: Accelerator): Opened {
    if (wanted == Accelerator.CPU) return Opened(open(file, artefact, wanted), wanted, emptyList())
    return try {
        Opened(open(file, artefact, wanted), wanted, emptyList())
    } catch (failure: Failure) {
        val notice = "$wanted cannot run ${artefact.path} here (${failure.got}). The CPU runs it instead."
        Opened(open(file, artefact, Accelerator.CPU), Accelerator.CPU, listOf(notice))
    }
}
