package org.evitmobile.app

import android.content.Context
import android.os.Build
import java.io.File
import org.evitmobile.core.ModelFiles
import org.evitmobile.inference.ExecuTorchRuntime
import org.evitmobile.inference.LiteRtRuntime
import org.evitmobile.inference.ModelFolder
import org.evitmobile.inference.OnnxRuntime

/** The folder that `evit-mobile export-app android` fills, in the app's assets. Throws [org.evitmobile.core.Failure]. */
fun openModelFolder(context: Context): ModelFolder {
    val assets = context.applicationContext.assets
    val files = ModelFiles { path -> assets.open("$ASSETS/$path") }
    val threads = bigCores()
    val liteRt = LiteRtRuntime(threads, context.applicationContext.applicationInfo.nativeLibraryDir)
    return ModelFolder.open(files, File(context.cacheDir, ASSETS), listOf(liteRt, ExecuTorchRuntime(), OnnxRuntime(threads)), chip())
}

/** The phone's chip, as Qualcomm calls its own (SM8650); null before Android 12, which does not tell. */
private fun chip(): String? = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) Build.SOC_MODEL else null

/** Half of the cores: phones have about as many fast as slow ones, and waiting for a slow one costs more than it brings. */
private fun bigCores(): Int = maxOf(1, java.lang.Runtime.getRuntime().availableProcessors() / 2)

private const val ASSETS = "model"
