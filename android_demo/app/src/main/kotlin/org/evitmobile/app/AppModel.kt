package org.evitmobile.app

import android.content.Context
import java.io.File
import org.evitmobile.core.ModelFiles
import org.evitmobile.inference.ExecuTorchRuntime
import org.evitmobile.inference.LiteRtRuntime
import org.evitmobile.inference.ModelFolder

/** The folder that `evit-mobile export-app android` fills, in the app's assets. Throws [org.evitmobile.core.Failure]. */
fun openModelFolder(context: Context): ModelFolder {
    val assets = context.applicationContext.assets
    val files = ModelFiles { path -> assets.open("$ASSETS/$path") }
    return ModelFolder.open(files, File(context.cacheDir, ASSETS), listOf(LiteRtRuntime(bigCores()), ExecuTorchRuntime()))
}

/** Half of the cores: phones have about as many fast as slow ones, and waiting for a slow one costs more than it brings. */
private fun bigCores(): Int = maxOf(1, java.lang.Runtime.getRuntime().availableProcessors() / 2)

private const val ASSETS = "model"
