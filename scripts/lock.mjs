/** A lock between processes: a directory, which only one of them can create, with the owner's pid in it. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** An owner writes its pid right after creating the directory; without one after this time it died between the two. */
const pidWrittenWithinMs = 5_000

/** Runs `work` while holding the lock. `onWait` is called once if somebody else holds it. */
export async function withLock(path, onWait, work) {
  mkdirSync(dirname(path), { recursive: true })
  let told = false
  while (!tryTake(path)) {
    if (!told) onWait(ownerOf(path))
    told = true
    await sleep(200)
  }
  const release = () => {
    rmSync(path, { recursive: true, force: true })
  }
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

function tryTake(path) {
  try {
    mkdirSync(path)
    writeFileSync(join(path, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  return isAbandoned(path) && breakLock(path) && tryTake(path)
}

/** Of several who find the lock abandoned, only one can rename it; what was renamed is looked at once more. */
function breakLock(path) {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
    const isBroken = isAbandoned(aside)
    if (isBroken) rmSync(aside, { recursive: true, force: true })
    else renameSync(aside, path)
    return isBroken
  } catch {
    // Somebody else was quicker. The next try shows how it stands.
    return false
  }
}

function isAbandoned(path) {
  const owner = ownerOf(path)
  if (owner !== undefined) return !isAlive(owner)
  try {
    return Date.now() - statSync(path).mtimeMs > pidWrittenWithinMs
  } catch {
    return false
  }
}

function ownerOf(path) {
  try {
    return Number(readFileSync(join(path, 'pid'), 'utf8')) || undefined
  } catch {
    return undefined
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
