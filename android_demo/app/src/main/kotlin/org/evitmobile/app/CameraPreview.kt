package org.evitmobile.app

import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.Preview
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.view.PreviewView
import androidx.compose.runtime.Composable
import androidx.compose.runtime.DisposableEffect
import androidx.compose.runtime.remember
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.viewinterop.AndroidView
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/**
 * What the back camera sees; every frame goes to [onFrame], which closes nothing: frames are closed here. While [onFrame] is busy,
 * CameraX keeps the latest frame only.
 */
@Composable
fun CameraPreview(owner: LifecycleOwner, modifier: Modifier, onFrame: (ImageProxy) -> Unit) {
    val context = LocalContext.current
    val view = remember { PreviewView(context).apply { scaleType = PreviewView.ScaleType.FIT_CENTER } } // all that is classified
    DisposableEffect(owner) {
        val executor = Executors.newSingleThreadExecutor()
        val future = ProcessCameraProvider.getInstance(context)
        future.addListener({ bind(future.get(), owner, view, analysis(onFrame, executor)) }, ContextCompat.getMainExecutor(context))
        onDispose {
            val release = {
                future.get().unbindAll()
                executor.shutdown()
            }
            future.addListener(release, ContextCompat.getMainExecutor(context))
        }
    }
    AndroidView(factory = { view }, modifier = modifier)
}

private fun analysis(onFrame: (ImageProxy) -> Unit, executor: Executor): ImageAnalysis {
    val analysis = ImageAnalysis.Builder()
        .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
        .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
        .build()
    analysis.setAnalyzer(executor) { frame -> frame.use(onFrame) }
    return analysis
}

private fun bind(provider: ProcessCameraProvider, owner: LifecycleOwner, view: PreviewView, analysis: ImageAnalysis) {
    val preview = Preview.Builder().build().apply { setSurfaceProvider(view.surfaceProvider) }
    provider.unbindAll()
    provider.bindToLifecycle(owner, CameraSelector.DEFAULT_BACK_CAMERA, preview, analysis)
}
